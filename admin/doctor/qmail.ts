/** Checks dot-qmail files for errors that are documented in dot-qmail(5) and qmail-command(8). */
import { type Finding, findingsOf, type Programs, type TextFile } from "./finding.ts";
import type { FindingId } from "./ids.ts";
import { callsHook, hookCall, unusableFix } from "./hook_call.ts";
import { wrapperIn } from "./wrapper.ts";

/** What the checks need besides the files. */
export interface QmailContext {
  readonly programs: Programs;
  /** Whether incoming.inbox or incoming.forward is set, so that the hook itself delivers. */
  readonly hasDestination: boolean;
  /** Permission bits of the home directory; undefined if unknown. */
  readonly home?: { readonly path: string; readonly mode: number };
}

/** Lines with programs that deliver, which the hook must precede. */
const DELIVERS = /^\|\s*(?:\S*\/)?(?:preline\s+(?:-\w+\s+)*(?:\S*\/)?)?(?:safecat|maildir|maildrop|procmail|forward)\b/;

/** Checks the files of a home directory, if one of them calls the hook. */
export function checkQmail(files: readonly TextFile[], context: QmailContext): Finding[] {
  const wraps = (line: string) => wrapperIn(line, context.programs) !== undefined;
  const hooked = files.filter(({ text }) => callsHook(text) || text.split("\n").some(wraps));
  if (hooked.length === 0) return [];
  const found = files.flatMap((file) => hooked.includes(file) ? checkHooked(file, context) : checkUnhooked(file));
  return [...checkHome(context), ...found];
}

function checkHome({ home }: QmailContext): Finding[] {
  if (home === undefined) return [];
  const { list, add } = findingsOf(home.path);
  const why = "qmail-local then delivers nothing, and all mail stays queued.";
  if ((home.mode & 0o002) !== 0) {
    add("qmail-home-writable", "The home directory is world-writable", undefined, why, `chmod o-w ${home.path}`);
  }
  if ((home.mode & 0o1000) !== 0) {
    add("qmail-home-sticky", "The home directory has the sticky bit set", undefined, why, `chmod -t ${home.path}`);
  }
  return list;
}

/** Reports a file that does not call the hook although another one does. */
function checkUnhooked({ file, text }: TextFile): Finding[] {
  const name = file.slice(file.lastIndexOf("/") + 1);
  const signed = /^\.qmail-srs-default$/.test(name);
  if (name !== ".qmail" && !signed) return [];
  const { list, add } = findingsOf(file);
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.trim() !== "" && !line.startsWith("#"));
  // The filter may call the hook; filters are checked separately.
  if (lines.some((line) => /\b(?:maildrop|procmail)\b/.test(line))) return [];
  add(
    "qmail-unhooked",
    signed
      ? "Mail to SRS addresses does not pass through the hook"
      : "Mail to the plain address does not pass through the hook",
    first < 0 ? undefined : first + 1,
    "Forged bounces are delivered like genuine ones.",
    "Add as the first line: |/usr/local/lib/countersign/hooks/incoming",
  );
  return list;
}

function checkHooked({ file, text, mode }: TextFile, context: QmailContext): Finding[] {
  const { list, add } = findingsOf(file);
  const lines = text.split("\n").map((line, index) => ({ line, number: index + 1 }));
  if (lines[0]!.line.trim() === "") {
    add(
      "qmail-blank-line",
      "The first line is blank",
      1,
      "qmail-local treats this as an error, and all mail stays queued.",
      `sed -i 1d ${file}`,
    );
  }
  if (mode !== undefined && (mode & 0o002) !== 0) {
    add(
      "qmail-file-writable",
      "The file is world-writable",
      undefined,
      "qmail-local then delivers nothing, and all mail stays queued.",
      `chmod o-w ${file}`,
    );
  }
  if (mode !== undefined && (mode & 0o100) !== 0) {
    add(
      "qmail-file-executable",
      "The file is executable by its owner",
      undefined,
      "qmail-local then runs no program from it, and all mail stays queued.",
      `chmod u-x ${file}`,
    );
  }
  const live = lines.filter(({ line }) => line.trim() !== "" && !line.startsWith("#"));
  const carriage = live.find(({ line }) => line.endsWith("\r"));
  if (carriage !== undefined) {
    add(
      "qmail-line-end",
      "The line ends in CR LF",
      carriage.number,
      "The CR becomes part of the name of a program or maildir.",
      `sed -i 's/\\r$//' ${file}`,
    );
  }
  const last = live.at(-1);
  const wrapper = last && wrapperIn(last.line, context.programs);
  if (wrapper !== undefined && !wrapper.delivers) {
    add(
      "qmail-wrapper",
      `No delivery instruction was found: ${wrapper.program} runs the hook, and no line follows`,
      last!.number,
      "The hook exits 0 for mail to be delivered. If the wrapper does not deliver it, it is lost.",
      "Add ./Maildir/ as the last line, unless the wrapper delivers",
    );
  }
  const isHook = ({ line }: { line: string }) => hookCall(line) !== undefined;
  const at = live.findIndex(isHook);
  for (const { line, number } of live.slice(0, Math.max(at, 0))) {
    if (!/^[^|\s]/.test(line) && !DELIVERS.test(line)) continue;
    add(
      "qmail-order",
      "This line delivers before the hook runs",
      number,
      "Forged mail is delivered, too, and whenever the hook defers, the message is delivered again.",
      "Move the hook's line above it",
    );
  }
  for (const { line, number } of live.filter(isHook)) {
    const more = live.at(-1)!.number > number;
    for (const [id, what, why, fix] of lineTrouble(line, more, context)) add(id, what, number, why, fix);
  }
  return list;
}

type Problem = readonly [id: FindingId, what: string, why: string, fix: string];

/** Returns the problems of a line that calls the hook, as [id, what, why, fix]. */
function lineTrouble(
  line: string,
  more: boolean,
  { programs, hasDestination }: QmailContext,
): Problem[] {
  if (!line.startsWith("|")) {
    const why = "qmail takes the line for an address, and forwards the message there.";
    return [["qmail-no-bar", "The hook's line does not begin with |", why, `|${line.trim().replace(/^\|\s*/, "")}`]];
  }
  const out: Problem[] = [];
  const call = hookCall(line)!;
  const wrong = programs.trouble(call.program);
  if (wrong !== undefined) {
    out.push([
      "qmail-hook-unusable",
      `${call.program} ${wrong}`,
      "qmail keeps retrying, and all mail stays queued.",
      unusableFix(call.program, wrong),
    ]);
  }
  const redirect = /^\|\s*(?:\S*\/)?condredirect\b/.test(line);
  if (/^\|\s*(?:\S*\/)?(?:bouncesaying|except)\b/.test(line)) {
    const why = "The hook exits 0 for genuine mail, which bouncesaying rejects.";
    out.push([
      "qmail-bouncesaying",
      "bouncesaying or except runs the hook",
      why,
      line.replace(/^\|.*?(?=\S*\/incoming)/, "|"),
    ]);
  } else if (redirect && call.as !== "condredirect") {
    const why = "condredirect interprets the statuses differently: on failure, forged mail is delivered.";
    out.push([
      "qmail-condredirect",
      "condredirect runs the hook without --as condredirect",
      why,
      `${line.trim()} --as condredirect`,
    ]);
  } else if (!redirect && call.as !== undefined && call.as !== "qmail") {
    const why = "qmail interprets the statuses of another caller differently.";
    out.push([
      "qmail-caller",
      `The hook is run with --as ${call.as}, but the caller is qmail`,
      why,
      line.replace(/\s--as[=\s]\s*\S+/, ""),
    ]);
  }
  if (call.piped) {
    const why = "The status of the hook is lost, and an empty message is delivered.";
    out.push([
      "qmail-pipe",
      "The hook's output is piped to another program",
      why,
      "Put the hook on its own line, followed by a line for the other program",
    ]);
  } else if (!more && !call.delivers && !hasDestination) {
    const why = "For mail to be delivered the hook would exit 0 and the message would be lost, so it defers instead.";
    out.push([
      "qmail-no-destination",
      "No line follows the hook",
      why,
      "Add ./Maildir/ as the last line, or set incoming.inbox",
    ]);
  }
  return out;
}
