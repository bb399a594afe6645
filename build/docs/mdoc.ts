/** Text as mdoc(7) wants it. */

const WIDTH = 100;

/** Sentences, each on lines of its own; `code` stands in quotes, **this** in bold. */
export function prose(text: string): string[] {
  const marked = escaped(text)
    .replace(/`([^`]+)`/g, "\\(oq$1\\(cq")
    .replace(/\*\*([^*]+)\*\*/g, "\\fB$1\\fP");
  const sentences = marked.split(/(?<=\.) (?=[A-Z])/);
  return sentences.flatMap(wrapped).map((line) => line.replace(/^(?=[.'])/, "\\&"));
}

/** Words for a line of a macro, none of them taken for a macro or a quote. */
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
