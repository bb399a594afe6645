/** Applies the rules of fixsmtpio to commands and replies. Bytes are Latin-1, one character per byte. */
import { fnmatch } from "./fnmatch.ts";
import type { Rule } from "./fixsmtpio_rules.ts";

/** What a filter needs. */
export interface FilterContext {
  readonly rules: readonly Rule[];
  /** The name of this host in replies that `&fixsmtpio_fixup` writes. */
  readonly host: string;
  /** Whether an environment variable is set. */
  readonly isSet: (name: string) => boolean;
}

/** A filtered reply. */
export interface Filtered {
  readonly text: string;
  /** The exit status of the last rule that has one. */
  readonly exit: number | undefined;
}

const applies = ({ env, event }: Rule, wanted: string, { isSet }: FilterContext) =>
  event === wanted && (env === "" || isSet(env));

/** Returns the command with what its rules insert: the prefixes of later rules come first. */
export function filterRequest(event: string, request: string, context: FilterContext): string {
  const found = context.rules.filter((rule) => applies(rule, event, context));
  return found.reduce((text, { prepend }) => prepend + text, request);
}

/** Filters a reply, which may have several lines. */
export function filterReply(event: string, reply: string, context: FilterContext): Filtered {
  let exit: number | undefined;
  const lines = reply.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const out = lines.map((line, number) => {
    const filtered = filterLine(event, line, number, context);
    exit = filtered.exit ?? exit;
    return filtered.text;
  });
  return { text: withDashes(out.join("")), exit };
}

/** Filters a line. All rules are compared with the original line, and the last one that matches is used. */
export function filterLine(event: string, line: string, number: number, context: FilterContext): Filtered {
  let [text, exit] = [line, undefined as number | undefined];
  for (const rule of context.rules) {
    if (!applies(rule, event, context) || !fnmatch(rule.glob, line)) continue;
    exit = rule.exit ?? exit;
    if (rule.response === "fixup") text = fixedUp(event, text, number, context.host);
    else if (rule.response === "remove") text = "";
    else if (rule.response !== "keep") text = rule.response.text;
  }
  return { text: text === "" || text.endsWith("\n") ? text : `${text}\r\n`, exit };
}

/** Returns the line as a program behind authup should send it. */
function fixedUp(event: string, line: string, number: number, host: string): string {
  switch (event) {
    case "greeting":
      return `220 ${host} ESMTP`;
    case "helo":
      return `250 ${host}`;
    case "ehlo":
      // TLS is for the program in front, so the one behind must not offer it.
      return number === 0 ? `250 ${host}` : /^250[- ]STARTTLS\r\n$/.test(line) ? "" : line;
    case "help":
      return `214 fixsmtpio: see fixsmtpio(8)\r\n${line}`;
    default:
      return `221 ${host}`;
  }
}

/** Marks the last line of a reply, and only that, as the last. */
function withDashes(reply: string): string {
  const lines = reply.match(/[^\n]*\n/g) ?? [];
  return lines.map((line, at) => line.replace(/^(...)[^\r\n]?/, `$1${at === lines.length - 1 ? " " : "-"}`)).join("");
}
