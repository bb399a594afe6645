/** Formats text as mdoc(7). */

const WIDTH = 100;

/** Formats sentences, each on its own lines; `code` is quoted, **this** becomes bold. */
export function prose(text: string): string[] {
  const marked = escaped(text)
    .replace(/`([^`]+)`/g, "\\(oq$1\\(cq")
    .replace(/\*\*([^*]+)\*\*/g, "\\fB$1\\fP");
  const sentences = marked.split(/(?<=\.) (?=[A-Z])/);
  return sentences.flatMap(wrapped).map((line) => line.replace(/^(?=[.'])/, "\\&"));
}

/** Escapes the words of a macro line, so that none is interpreted as a macro or a quote. */
export function literal(text: string): string {
  return escaped(text).replaceAll('"', "\\(dq").replace(/(?<=^| )(?=[A-Z%][a-z0-9]{1,2}(?: |$))/g, "\\&");
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("…", "...").replace(/(?<![A-Za-z0-9])-+|(?<=-)-/g, (dashes) => {
    return "\\-".repeat(dashes.length);
  });
}

function wrapped(sentence: string): string[] {
  const lines: string[] = [];
  for (const word of sentence.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
