/** Checks ~/.mailfilter for calls of the hook with which maildrop loses or repeats mail. */
import { type Finding, findingsOf, type Programs, type TextFile } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import { hookCall, unusableFix } from "./hook_call.ts";

/** The constructs with which a filter can run the hook. */
const CALL_FORMS: readonly [RegExp, "backticks" | "xfilter" | "to" | "cc"][] = [
  [/^\s*xfilter\b/, "xfilter"],
  [/^\s*to\s+["']?\s*\|/, "to"],
  [/^\s*cc\s+["']?\s*\|/, "cc"],
  [/`/, "backticks"],
];

/** Checks a filter, if it calls the hook. */
export function checkMaildrop({ file, text, mode }: TextFile, programs: Programs): Finding[] {
  const { list, add } = findingsOf(file);
  const lines = text.split("\n").map((line) => /^\s*#/.test(line) ? "" : line);
  const hooks = lines.flatMap((line, index) => hookCall(line) === undefined ? [] : [index]);
  if (hooks.length === 0) return list;
  if (mode !== undefined && (mode & 0o077) !== 0) {
    add(
      "maildrop-mode",
      "The filter is accessible to others",
      undefined,
      "maildrop then ignores it, and all mail stays queued.",
      `chmod 600 ${file}`,
    );
  }
  for (const index of hooks) {
    const line = lines[index]!;
    const call = hookCall(line)!;
    const number = index + 1;
    const form = CALL_FORMS.find(([pattern]) => pattern.test(line))?.[1];
    const wrong = programs.trouble(call.program);
    if (wrong !== undefined) {
      const why = form === "backticks" ? "All mail is delivered unchecked." : "All mail stays queued or is bounced.";
      add("maildrop-hook-unusable", `${call.program} ${wrong}`, number, why, unusableFix(call.program, wrong));
    }
    const as = (word: string, why: string) => {
      if (call.as === word) return;
      const told = call.as === undefined ? "is run without --as" : `is run with --as ${call.as}`;
      const fix = call.as === undefined
        ? line.replace("/incoming", `/incoming --as ${word}`)
        : line.replace(/--as[=\s]\s*[\w-]+/, `--as ${word}`);
      add("maildrop-caller", `The hook ${told}`, number, why, fix.trim());
    };
    if (form === "xfilter") {
      as("filter", "Only --as filter outputs the message; without output, maildrop loses it.");
    } else if (form === "backticks") {
      as("maildrop", "The lines below it then misinterpret its statuses.");
    }
    if (form === "backticks") {
      checkAnswer(lines.slice(index + 1), call.delivers, (id, what, why, fix) => add(id, what, number, why, fix));
    }
    if (form === "to") {
      add(
        "maildrop-to",
        "The hook is the target of a to statement",
        number,
        "If the hook is missing, maildrop exits 127, and Postfix bounces the message.",
        "Use backticks and set EXITCODE, as in contrib/maildrop/mailfilter-last",
      );
    }
    if (form === "cc") {
      add(
        "maildrop-cc",
        "The hook is the target of a cc statement",
        number,
        "Its status only becomes that of maildrop: delivered mail is delivered again or bounced.",
        "Use backticks, as in contrib/maildrop/mailfilter",
      );
    }
    const before = unconditionalTo(lines.slice(0, index));
    if (before !== undefined) {
      const why = "A to statement ends the filter, so the hook never runs.";
      add("maildrop-order", "This to precedes the hook", before + 1, why, "Move the hook above it");
    }
  }
  for (const index of unresetCopies(lines)) {
    add(
      "maildrop-exitcode",
      "A cc statement leaves its status in EXITCODE",
      index + 1,
      "If the copy fails, maildrop exits with that status even if the message was delivered, which is then delivered again or bounced.",
      "Add on a later line: EXITCODE=0",
    );
  }
  return list;
}

/** Checks that the following lines handle the statuses: 99 must end the filter, and 75 must be passed to the MTA. */
function checkAnswer(
  below: readonly string[],
  delivers: boolean,
  add: (id: FindingId, what: string, why: string, fix: string) => void,
) {
  const until = below.findIndex((line) => line.includes("`"));
  const text = below.slice(0, until < 0 ? undefined : until).join("\n");
  const asks = (status: number) => new RegExp(`RETURNCODE\\s*==\\s*${status}\\b`).test(text);
  const see = "See contrib/maildrop";
  if (delivers) {
    if (!asks(0)) {
      add(
        "maildrop-returncode",
        "RETURNCODE is not compared with 0",
        "A message that the hook delivered is delivered again.",
        see,
      );
    }
    if (!/EXITCODE\s*=\s*75/.test(text)) {
      add(
        "maildrop-defer",
        "EXITCODE is not set to 75",
        "A message that the hook could not deliver is lost or delivered unchecked.",
        see,
      );
    }
    return;
  }
  const harms: [number, string][] = [
    [99, "A message that the hook filed as spam is delivered, too."],
    [75, "While the hook fails, all mail is delivered unchecked."],
  ];
  for (const [status, why] of harms) {
    if (!asks(status)) {
      add(
        "maildrop-returncode",
        `RETURNCODE is not compared with ${status}`,
        why,
        `${see}: if ($RETURNCODE == ${status})`,
      );
    }
  }
}

/** Returns the index of the first unconditional `to`; undefined if there is none. */
function unconditionalTo(lines: readonly string[]): number | undefined {
  let depth = 0;
  let conditional = false;
  for (const [index, line] of lines.entries()) {
    if (depth === 0 && !conditional && /^\s*to\s/.test(line)) return index;
    depth += (line.match(/\{/g)?.length ?? 0) - (line.match(/\}/g)?.length ?? 0);
    // `if (…)` without braces applies to the next line.
    if (line.trim() !== "") conditional = /^\s*(?:if|elsif|else|while|foreach)\b/.test(line);
  }
  return undefined;
}

/** Returns the lines of a cc to a program or address that no assignment to EXITCODE follows. */
function unresetCopies(lines: readonly string[]): number[] {
  return lines.flatMap((line, index) => {
    if (!/^\s*cc\s+["']?\s*[|!]/.test(line) || hookCall(line) !== undefined) return [];
    return lines.slice(index + 1).some((later) => /EXITCODE\s*=/.test(later)) ? [] : [index];
  });
}
