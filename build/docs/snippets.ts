/**
 * Writes admin/snippets.ts, which makes the samples in contrib/ part of the program:
 *
 *     deno run -A build/docs/snippets.ts
 *
 * Edit the samples only in contrib/; tests/admin/snippets_test.ts compares the two.
 */

/** The files in contrib/ that `countersign init` shows, and which lines: all, the first paragraph, or one line. */
const FILES: Record<string, "all" | "first" | RegExp> = {
  "aerc/accounts.conf": /^outgoing/,
  "alpine/pinerc": "all",
  "exim/exim.conf": "all",
  "fdm/fdm.conf": /^(?:set|action|match)/,
  "fetchmail/fetchmailrc": /^ +mda/,
  "getmail/getmailrc": /^(?:\[destination|type = MDA|path|arguments)/,
  "git/gitconfig": "all",
  "maildrop/mailfilter": "all",
  "mbsync/fetch": "all",
  "mutt/muttrc": "first", // the send-hooks contain example addresses
  "neomutt/neomuttrc": "first",
  "nmh/mh_profile": "all",
  "postfix/local/forward": "all",
  "postfix/pipe/main.cf": "all",
  "postfix/pipe/master.cf": "all",
  "procmail/procmailrc": "all",
  "qmail/greg/.qmail": "all",
  "qmail/greg/.qmail-srs-default": "all",
  "qmail/virtualdomains": "all",
  "s-nail/mailrc": "all",
  "submitd/dovecot.conf": "all",
};

const CONTRIB = new URL("../../contrib/", import.meta.url);

/** Returns the text of admin/snippets.ts, generated from contrib/. */
export async function snippetsModule(): Promise<string> {
  const entries = Object.entries(FILES).map(([name, part]) => {
    const lines = linesOf(Deno.readTextFileSync(new URL(name, CONTRIB)), part);
    return `${JSON.stringify(name)}: [\n${lines.map((line) => `${JSON.stringify(line)},\n`).join("")}],\n`;
  });
  return await formatted(`/** Lines of contrib/. Made from it by build/docs/snippets.ts: change them there. */
export const SNIPPETS = {
${entries.join("")}} as const;
`);
}

function linesOf(text: string, part: "all" | "first" | RegExp): string[] {
  const lines = text.trimEnd().split("\n");
  if (part === "all") return lines;
  const end = lines.indexOf("");
  return part === "first" ? lines.slice(0, end < 0 ? lines.length : end) : lines.filter((line) => part.test(line));
}

/** Formats code with deno fmt. */
async function formatted(text: string): Promise<string> {
  const args = ["fmt", "--ext=ts", "--line-width=120", "-"];
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  Deno.writeTextFileSync(new URL("../../admin/snippets.ts", import.meta.url), await snippetsModule());
}
