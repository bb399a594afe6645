/**
 * Glob patterns as fnmatch(3) matches them without flags: `*`, `?`, `[a-z]`, `[!a-z]`, and a backslash before any of
 * them.
 */

/** Returns whether the whole text matches. Takes at most pattern × text steps. */
export function fnmatch(pattern: string, text: string): boolean {
  const parts = parse(pattern);
  // After a star that has matched too little, it takes one character more.
  let [part, at, star, mark] = [0, 0, -1, 0];
  while (at < text.length) {
    const one = parts[part];
    if (one === "star") [star, mark] = [part++, at];
    else if (one?.(text[at]!)) [part, at] = [part + 1, at + 1];
    else if (star >= 0) [part, at] = [star + 1, ++mark];
    else return false;
  }
  while (parts[part] === "star") part++;
  return part === parts.length;
}

/** Returns whether the pattern can match a text that ends in this character. */
export function canEndWith(pattern: string, character: string): boolean {
  const last = parse(pattern).at(-1);
  return last === "star" || last?.(character) === true;
}

type Part = "star" | ((character: string) => boolean);

function parse(pattern: string): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const c = pattern[at]!;
    const end = c === "[" ? endOfSet(pattern, at) : -1;
    if (c === "*") parts.push("star");
    else if (c === "?") parts.push(() => true);
    else if (end > 0) {
      parts.push(set(pattern.slice(at + 1, end)));
      at = end;
    } else {
      const literal = c === "\\" && at + 1 < pattern.length ? pattern[++at]! : c;
      parts.push((other) => other === literal);
    }
  }
  return parts;
}

/** Returns the position of the `]` that ends a set: not the first character in it. */
function endOfSet(pattern: string, at: number): number {
  const first = /[!^]/.test(pattern[at + 1] ?? "") ? at + 2 : at + 1;
  return pattern.indexOf("]", first + 1);
}

function set(text: string): (character: string) => boolean {
  const negated = /^[!^]/.test(text);
  const body = negated ? text.slice(1) : text;
  return (character) => {
    let found = false;
    for (let at = 0; at < body.length; at++) {
      const from = body[at]!;
      const range = body[at + 1] === "-" && at + 2 < body.length;
      const to = range ? body[at + 2]! : from;
      if (range) at += 2;
      found ||= from <= character && character <= to;
    }
    return found !== negated;
  };
}
