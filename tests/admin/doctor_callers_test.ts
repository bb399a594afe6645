/** Mail programs that bypass the shim, and misspelt paths of the hook. */
import assert from "node:assert/strict";
import type { Finding, Programs } from "../../admin/doctor/finding.ts";
import type { Arguments } from "../../admin/arguments.ts";
import { filters } from "../../admin/doctor/callers.ts";
import { checkGit } from "../../admin/doctor/git.ts";
import { checkMisspelt } from "../../admin/doctor/misspelt.ts";
import { Home, ROOT } from "../rig.ts";
import { assertComplete } from "./findings.ts";

const HOOK = "/opt/hooks/incoming";
const programs: Programs = {
  trouble: (path) => path.startsWith("/opt/") || path.startsWith("/usr/bin/") ? undefined : "does not exist",
  isShim: (path) => path === "/opt/shim",
};

/** [file, line, the misspelt program] */
const MISSPELT: [string, string, string?][] = [
  [".forward", '"|/opt/hooks/incoming --as postfix"'],
  [
    ".forward",
    '"|/usr/local/lib/countersign/hooks/incomming --as postfix"',
    "/usr/local/lib/countersign/hooks/incomming",
  ],
  [".forward", "|/usr/local/lib/countersing/hooks/inbound", "/usr/local/lib/countersing/hooks/inbound"],
  [".forward", '"|exec ~/lib/contersign/hook"', "~/lib/contersign/hook"],
  [".forward", '# "|/nowhere/hooks/incomin"'],
  [".forward", '"|/nowhere/vacation greg"'],
  [".qmail", "|/usr/lib/countersign/hooks/incoming.sh", "/usr/lib/countersign/hooks/incoming.sh"],
  [".procmailrc", "| /nowhere/incomin --as procmail", "/nowhere/incomin"],
  [".mailfilter", "X=`/nowhere/incomin --as maildrop`", "/nowhere/incomin"],
  ["main.cf", "mailbox_command = /nowhere/hook/incomin --as postfix", "/nowhere/hook/incomin"],
  ["master.cf", "  flags=DRO user=greg argv=/nowhere/hook/incomin --as postfix", "/nowhere/hook/incomin"],
];
for (const [file, line, program] of MISSPELT) {
  Deno.test(`${file} with ${line} runs ${program ?? "no misspelt hook"}`, () => {
    const found = checkMisspelt({ file, text: `\n${line}\n` }, programs, HOOK);
    assert.deepEqual(
      found.map(({ what, where }) => [what, where.line]),
      program === undefined ? [] : [[`${program} does not exist; it looks like a misspelt path of the hook`, 2]],
    );
    for (const one of found) {
      assertComplete(one);
      assert.ok(one.fix.includes(HOOK) && !one.fix.includes(program!));
    }
  });
}

/** [.gitconfig, the finding] */
const GIT: [string, string?][] = [
  ["[user]\n\tname = Greg\n"],
  ["[sendemail]\n\tsendmailCmd = /opt/shim\n"],
  ["[sendemail]\n\tsendmailCmd = '/opt/shim' -oi\n"],
  ["[sendemail]\n\tsmtpServer = /opt/shim\n"],
  ["[sendemail]\n\tsendmailCmd = /opt/shim\n\tsmtpServer = smtp.example.net\n"],
  [
    "[sendemail]\n\tsmtpServer = smtp.example.net\n",
    "git-smtp: git speaks SMTP with smtp.example.net (sendemail.smtpserver)",
  ],
  [
    "[sendemail]\n\tsendmailCmd = /usr/bin/msmtp\n",
    "git-other-program: sendemail.sendmailcmd of git is /usr/bin/msmtp, which is not the shim",
  ],
  [
    "[sendemail]\n\tsmtpServer = /nowhere/shim\n",
    "git-other-program: sendemail.smtpserver of git is /nowhere/shim, which does not exist",
  ],
  [
    '[sendemail]\n\tsendmailCmd = /opt/shim\n[sendemail "work"]\n\tsmtpServer = smtp.example.net\n',
    "git-smtp: git speaks SMTP with smtp.example.net (sendemail.work.smtpserver)",
  ],
  ["[include]\n\tpath = more\n", "git-smtp: git speaks SMTP with localhost (sendemail.smtpserver)"],
];
Deno.test("git itself says how it sends", async () => {
  using home = new Home();
  home.write("more", "[sendemail]\n\tsmtpServer = localhost\n");
  const git = async (args: readonly string[]) => (await home.run(["git", ...args])).stdout;
  for (const [text, expected] of GIT) {
    home.write(".gitconfig", text);
    const context = { git, programs, onPath: () => undefined, shim: "/opt/shim", isServed: false };
    const { findings, sends } = await checkGit(context);
    assert.deepEqual(findings.map(({ id, what }) => `${id}: ${what}`), expected === undefined ? [] : [expected], text);
    assert.equal(sends, expected === undefined && text.includes("sendemail"));
    for (const one of findings) {
      assertComplete(one);
      assert.equal(one.where.file, `${home.path}/${text.includes("include") ? "more" : ".gitconfig"}`);
    }
    if (expected?.startsWith("git-smtp")) {
      assert.deepEqual((await checkGit({ ...context, isServed: true })).findings, []);
    }
  }
});

Deno.test("doctor reports a home in which nothing sends through the shim", async () => {
  using home = new Home();
  const deno = [Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`];
  const clients = async () => {
    const ran = await home.run([
      ...deno,
      "countersign",
      "doctor",
      "--json",
      "--hook",
      "/bin/no",
      "--postconf",
      "none.cf",
    ]);
    assert.equal(ran.stderr, "");
    return JSON.parse(ran.stdout).findings.map(({ id }: Finding) => id)
      .filter((id: string) => /^(?:client|git|mutt)-/.test(id));
  };
  home.write("none.cf", "");
  assert.deepEqual(await clients(), [], "mail is stored in a maildir");
  home.settings(`[transport]\npreset = "sendmail"\ncommand = ["/bin/true"]\n`);
  assert.deepEqual(await clients(), ["client-none"]);
  home.write(".mailrc", `set mta=${ROOT}/shim/shim\n`);
  assert.deepEqual(await clients(), []);
  home.write(".mailrc", "");
  home.write(".gitconfig", "[sendemail]\n\tsmtpServer = smtp.example.net\n");
  assert.deepEqual(await clients(), ["git-smtp"]);
  home.write(".gitconfig", "");
  const log = ".local/state/countersign/log";
  home.write(log, "time=2026-11-01T00:00:00Z direction=out result=sent\n", 0o600);
  assert.deepEqual(await clients(), []);
  // As if the user could not read it; root always can.
  Deno.removeSync(`${home.path}/${log}`);
  Deno.symlinkSync("log", `${home.path}/${log}`);
  assert.deepEqual(await clients(), [], "it may have a line about sent mail");
});

Deno.test("doctor reports a home directory that it cannot read", async () => {
  using home = new Home();
  const loop = `${home.path}/loop`;
  Deno.symlinkSync("loop", loop);
  const postconf = [{ file: "none.cf", text: "" }];
  const findings: Finding[] = [];
  const rest = {
    file: { file: "", text: "" },
    settings: undefined,
    now: new Date(),
    options: {} as Arguments,
    notes: [],
  };
  await filters({ home: loop, postconf, programs, findings, ...rest });
  const found = findings.filter(({ where }) => where.file === loop);
  assert.deepEqual(found.map(({ id }) => id), ["filter-unreadable"]);
  assert.match(found[0]!.what, /^The home directory cannot be read: /);
});
