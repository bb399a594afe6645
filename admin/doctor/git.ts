/** Asks git how `git send-email` sends, for the user and in all of their identities of sendemail. */
import type { Finding, Programs } from "./finding.ts";

/** Runs git with these arguments. @returns its output; empty if it fails */
export type RunGit = (args: readonly string[]) => Promise<string>;

/** A setting of git. */
interface Setting {
  readonly file: string;
  readonly name: string;
  readonly value: string;
}

/** What the checks need. */
export interface GitContext {
  readonly git: RunGit;
  readonly programs: Programs;
  readonly onPath: (name: string) => string | undefined;
  readonly shim: string;
  /** Whether a server of this machine signs what is submitted to it by SMTP. */
  readonly isServed: boolean;
}

/** Returns the findings, if git send-email is configured at all; and whether it sends through the shim. */
export async function checkGit(context: GitContext): Promise<{ findings: Finding[]; sends: boolean }> {
  const settings = parseSettings(await context.git(["config", "--global", "--includes", "--show-origin", "-z", "-l"]));
  const own = settings.filter(({ name }) => /^sendemail\./.test(name));
  const findings: Finding[] = [];
  // The last value of a name counts, and sendmailcmd has precedence over smtpserver.
  const last = new Map(own.map((one) => [one.name, one]));
  const ways = [...last.values()].filter(({ name }) => /\.(?:sendmailcmd|smtpserver)$/.test(name));
  const used = ways.filter(({ name }) =>
    !name.endsWith(".smtpserver") || !last.has(name.replace(/smtpserver$/, "sendmailcmd"))
  );
  for (const { file, name, value } of used) {
    const [program = ""] = value.replace(/["']/g, "").trim().split(/\s+/);
    const runs = name.endsWith(".sendmailcmd") || value.startsWith("/");
    const fix = `git config --global --unset-all ${name}; git config --global sendemail.sendmailCmd ${context.shim}`;
    if (!runs) {
      if (context.isServed) continue;
      const why = "git sends patches itself, so they are not signed, and their bounces look forged.";
      findings.push({ id: "git-smtp", what: `git speaks SMTP with ${value} (${name})`, where: { file }, why, fix });
      continue;
    }
    const path = program.startsWith("/") ? program : context.onPath(program) ?? program;
    const trouble = context.programs.trouble(path);
    if (trouble === undefined && context.programs.isShim(path)) continue;
    findings.push({
      id: "git-other-program",
      what: `${name} of git is ${program}, which ${trouble ?? "is not the shim"}`,
      where: { file },
      why: trouble === undefined
        ? "Patches are sent unsigned, and their bounces look forged."
        : "git cannot send patches.",
      fix,
    });
  }
  return { findings, sends: used.length > 0 && findings.length === 0 };
}

/** Parses `git config --show-origin -z -l`: `file:PATH`, then the name, a line feed, and the value. */
function parseSettings(text: string): Setting[] {
  const parts = text.split("\0");
  const out: Setting[] = [];
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [name = "", ...value] = parts[at + 1]!.split("\n");
    out.push({ file: parts[at]!.replace(/^file:/, ""), name, value: value.join("\n") });
  }
  return out;
}
