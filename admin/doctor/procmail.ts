/** Checks ~/.procmailrc for missing flags, without which mail is lost if the hook crashes, and for ignored statuses. */
import { type Finding, findingsOf, type Programs, type TextFile } from "./finding.ts";
import { callsHook, hookCall, unusableFix } from "./hook_call.ts";

/** A recipe. */
interface Recipe {
  /** The line of its colon. */
  readonly line: number;
  readonly flags: string;
  readonly conditions: readonly { readonly text: string; readonly line: number }[];
  readonly action: string;
  /** The line of the action. */
  readonly at: number;
  readonly depth: number;
}

/** Checks an rcfile, if it calls the hook. */
export function checkProcmail({ file, text, mode }: TextFile, programs: Programs): Finding[] {
  const { list, add } = findingsOf(file);
  const lines = text.split("\n").map((line) => /^\s*#/.test(line) ? "" : line);
  if (!callsHook(text)) return list;
  if (mode !== undefined && (mode & 0o002) !== 0) {
    add(
      "procmail-mode",
      "The rcfile is world-writable",
      undefined,
      "procmail then ignores it, and nothing is checked.",
      `chmod o-w ${file}`,
    );
  }
  const recipes = recipesIn(lines);
  for (const recipe of recipes) {
    const asked = recipe.conditions.find(({ text }) => hookCall(text) !== undefined);
    if (asked !== undefined) {
      const why =
        "A condition distinguishes only zero and nonzero, so that deferred and forged mail are treated alike.";
      add("procmail-condition", "The hook is run as a condition", asked.line, why, "See contrib/procmail/procmailrc");
    }
    const call = /^\s*\|/.test(recipe.action) ? hookCall(recipe.action) : undefined;
    if (call === undefined) continue;
    const wrong = programs.trouble(call.program);
    if (wrong !== undefined) {
      add(
        "procmail-hook-unusable",
        `${call.program} ${wrong}`,
        recipe.at,
        "All mail is delivered unchecked.",
        unusableFix(call.program, wrong),
      );
    }
    checkRecipe(recipe, lines, call.as, add);
    const before = recipes.find((one) => one.at < recipe.line && delivers(one));
    if (before !== undefined) {
      const why = "A delivering recipe without a condition ends the rcfile, so the hook never runs.";
      add("procmail-order", "This recipe precedes the hook", before.line, why, "Move the hook above it");
    }
  }
  for (const [index, line] of lines.entries()) {
    if (!/^\s*EXITCODE\s*=\s*7[57]\b/.test(line)) continue;
    const near = lines.slice(Math.max(0, index - 3), index + 4);
    if (near.some((one) => /^\s*HOST\s*=/.test(one))) continue;
    const why = "procmail continues and delivers, and the MTA retries or bounces, so the message arrives twice.";
    add(
      "procmail-exitcode",
      "EXITCODE is set, but procmail does not stop there",
      index + 1,
      why,
      "Add on the next line: HOST=",
    );
  }
  return list;
}

type Add = ReturnType<typeof findingsOf>["add"];

function checkRecipe(recipe: Recipe, lines: readonly string[], as: string | undefined, add: Add): void {
  const { flags, line, at, action } = recipe;
  const filter = flags.includes("f");
  if (!/w/i.test(flags)) {
    add(
      "procmail-wait",
      `Recipe :0 ${flags} has no w`.replace("  ", " "),
      line,
      filter
        ? "If the hook crashes, its empty output becomes the message."
        : "procmail does not wait: if the hook crashes, the message counts as delivered and is lost.",
      filter ? ":0 fwr" : ":0 Wr",
    );
  }
  if (/[hb]/.test(flags) && !(/h/.test(flags) && /b/.test(flags))) {
    const why = "The hook needs both header and body to recognize bounces.";
    add(
      "procmail-part",
      `Recipe :0 ${flags} gives the hook only part of the message`,
      line,
      why,
      filter ? ":0 fwr" : ":0 Wr",
    );
  }
  const wanted = filter ? "filter" : "procmail";
  if (as !== wanted) {
    const fix = as === undefined
      ? action.replace("/incoming", `/incoming --as ${wanted}`)
      : action.replace(/--as[=\s]\s*[\w-]+/, `--as ${wanted}`);
    const why = filter
      ? "Only --as filter outputs the message; without it, the message becomes empty."
      : "procmail takes status 0 for delivered, so that mail the hook does not file would be lost.";
    add(
      "procmail-caller",
      `The hook is run with --as ${as ?? "nothing"} instead of --as ${wanted}`,
      at,
      why,
      fix.trim(),
    );
  }
  if (filter) return;
  if (/c/.test(flags)) {
    const why = "The hook gets a copy: mail that it files as spam is delivered, too.";
    add("procmail-copy", `Recipe :0 ${flags} has a c`, line, why, ":0 Wr");
  }
  const next = lines.slice(at).find((one) => one.trim() !== "") ?? "";
  const name = /^\s*(\w+)\s*=\s*\$\?/.exec(next)?.[1];
  const asked = (status: number) =>
    name !== undefined && lines.some((one) => new RegExp(`\\*\\s*${name}\\s*\\?\\?.*${status}`).test(one));
  if (!asked(75)) {
    const why = "While the hook fails, all mail is delivered unchecked.";
    add(
      "procmail-status",
      "The hook's status is not compared with 75",
      at,
      why,
      "Use COUNTERSIGN=$?, as in contrib/procmail/procmailrc",
    );
  }
}

/** Whether a recipe delivers all mail that reaches it. */
function delivers({ flags, conditions, action, depth }: Recipe): boolean {
  return depth === 0 && conditions.length === 0 && !/[cfAaEe]/.test(flags) && !/^\s*\{/.test(action) &&
    action.trim() !== "" &&
    hookCall(action) === undefined;
}

function recipesIn(lines: readonly string[]): Recipe[] {
  const out: Recipe[] = [];
  let depth = 0;
  for (let at = 0; at < lines.length; at++) {
    const start = /^\s*:0\s*([A-Za-z \t]*)/.exec(lines[at]!);
    if (start === null) {
      depth += (/^\s*\{/.test(lines[at]!) ? 1 : 0) - (/\}\s*$/.test(lines[at]!) ? 1 : 0);
      continue;
    }
    const line = at + 1;
    const conditions: { text: string; line: number }[] = [];
    while (++at < lines.length && /^\s*(?:\*.*)?$/.test(lines[at]!)) {
      if (lines[at]!.trim() !== "") conditions.push({ text: lines[at]!, line: at + 1 });
    }
    const action = lines[at] ?? "";
    out.push({ line, flags: start[1]!.replace(/\s/g, ""), conditions, action, at: at + 1, depth });
    depth += (/^\s*\{/.test(action) ? 1 : 0) - (/\}\s*$/.test(action) ? 1 : 0);
  }
  return out;
}
