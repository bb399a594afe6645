/** A new user with mutt and maildrop sets up Countersign, and doctor then finds ten different problems. */
import assert from "node:assert/strict";
import { countersign } from "../admin/run.ts";
import { fieldOf, Home, qsbmf, type Ran } from "../rig.ts";
import { lacking, tests } from "./need.ts";

const test = tests([await lacking("mutt"), await lacking("maildrop")].filter((reason) => reason !== "").join(", "));

const [CONFIG, KEYS, STATE] = [
  ".config/countersign/config.toml",
  ".config/countersign/keys",
  ".local/state/countersign",
];

/** A home without settings, on a machine with a program that accepts mail. */
function newUserHome(): Home {
  const home = new Home();
  Deno.removeSync(`${home.path}/.config`, { recursive: true });
  home.write("bin/sendmail", '#!/bin/sh\nprintf %s "$3" >"$HOME/sender"\ncat >"$HOME/left"\n', 0o755);
  for (const part of ["tmp", "new", "cur"]) Deno.mkdirSync(`${home.path}/Maildir/${part}`, { recursive: true });
  return home;
}

/** The lines that init prints for a file. */
function printed(ran: Ran, file: string): string {
  const parts = ran.stdout.split(/^--- /m).slice(1).filter((part) => part.startsWith(file));
  assert.equal(parts.length, 1, ran.stdout);
  return parts[0]!.slice(parts[0]!.indexOf("\n") + 1).split("\n\nIncoming mail")[0]!.trimEnd() + "\n";
}

/** Sets up everything that a user would. */
async function setUp(home: Home): Promise<void> {
  const own = ["--address", "greg@example.org", "--srs-domain", "srs.example.org"];
  const made = await countersign(home, ["init", "--yes", ...own, "--command", `${home.path}/bin/sendmail`]);
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  const all = await countersign(home, ["init", "--print-all"]);
  home.write(".muttrc", `set copy=no from="greg@example.org"\n${printed(all, "~/.muttrc")}`);
  // maildrop takes HOME and PATH from the system, not from its caller.
  const machine = `HOME="${home.path}"\nPATH="$HOME/bin:/usr/bin:/bin"\n`;
  const last = 'to "$HOME/Maildir"\n';
  home.write(".mailfilter", `${machine}${printed(all, "~/.mailfilter")}${last}`, 0o600);
}

/** Sends with mutt. @returns the message as it was sent, and its sender */
async function send(home: Home): Promise<{ sender: string; mail: string }> {
  const argv = ["mutt", "-n", "-s", "Lunch?", "--", "nobody@mx.example.net"];
  const ran = await home.run(argv, "At one?\n", { LC_ALL: "C.UTF-8", USER: "greg" });
  assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
  return { sender: home.read("sender"), mail: home.read("left") };
}

/** Delivers a bounce of this message with maildrop. */
async function bounce(home: Home, to: string, mail: string): Promise<void> {
  const ran = await home.run(["maildrop", `${home.path}/.mailfilter`], qsbmf(to, mail), { SENDER: "", RECIPIENT: to });
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
}

/** A problem as doctor prints it. */
interface Problem {
  what: string;
  where: string;
  why: string;
  fix: string;
}

/** The problems that doctor prints; the home is written as ~. */
async function doctor(home: Home, code: number): Promise<Problem[]> {
  const ran = await countersign(home, ["doctor"]);
  assert.deepEqual([ran.code, ran.stderr], [code, ""], ran.stdout);
  const text = ran.stdout.replaceAll(home.path, "~");
  const blocks = text.matchAll(/^(\S.*) \[[\w-]+\]\n {2}where {2}(.*)\n {2}why {4}(.*)\n {2}fix {4}(.*)$/gm);
  const found = [...blocks].map(([, what, where, why, fix]) => ({ what, where, why, fix }) as Problem);
  const last = text.trimEnd().split("\n").at(-1);
  const count = found.length === 0 ? "No problems" : found.length === 1 ? "1 problem" : `${found.length} problems`;
  assert.equal(last, `${count} found.`);
  return found;
}

/** Changes one line of a file. @returns its number */
function change(home: Home, file: string, from: RegExp, to: string): number {
  const lines = home.read(file).split("\n");
  const at = lines.findIndex((line) => from.test(line));
  assert.ok(at >= 0, `${from} is in ${file}`);
  lines[at] = lines[at]!.replace(from, to);
  home.write(file, lines.join("\n"), Deno.statSync(`${home.path}/${file}`).mode! & 0o777);
  return at + 1;
}

const lineOf = (home: Home, file: string, part: string): number =>
  home.read(file).split("\n").findIndex((line) => line.includes(part)) + 1;

const add = (home: Home, file: string, line: string): number => {
  const count = home.read(file).split("\n").length;
  home.write(file, `${home.read(file)}${line}\n`, Deno.statSync(`${home.path}/${file}`).mode! & 0o777);
  return count;
};

/** A way to break the setup, and the parts of doctor's finding. `damage` returns the line of the problem. */
type Damage = [
  name: string,
  file: string,
  damage: (home: Home) => number | undefined,
  what: RegExp,
  why: RegExp,
  fix: RegExp,
];

const DAMAGES: Damage[] = [
  [
    "mutt uses the system's sendmail",
    ".muttrc",
    (home) => change(home, ".muttrc", /^set sendmail=.*/, 'set sendmail="/bin/cat"'),
    /^sendmail is \/bin\/cat, which is not the shim$/,
    /Mail from mutt is not signed/,
    /^set sendmail="/,
  ],
  [
    "mutt speaks SMTP",
    ".muttrc",
    (home) => add(home, ".muttrc", 'set smtp_url="smtp://mail.example.org"'),
    /^mutt speaks SMTP itself$/,
    /nothing is signed/,
    /^unset smtp_url$/,
  ],
  [
    "mutt uses another address",
    ".muttrc",
    (home) => change(home, ".muttrc", /greg@example\.org/, "gerg@example.org"),
    /^from "?gerg@example\.org"? is not an identity/,
    /unsigned and without a tag/,
    /\[\[identity\]\] address = "gerg@example\.org"/,
  ],
  [
    "the path of the hook is wrong",
    ".mailfilter",
    (home) => change(home, ".mailfilter", /[^ `|"]*\/hooks\/incoming/, "/nowhere/hooks/incoming"),
    /^\/nowhere\/hooks\/incoming does not exist$/,
    /^All mail is delivered unchecked\.$/,
    /^Correct the path, or in a checkout: deno task install/,
  ],
  [
    "the filter ignores the status for spam",
    ".mailfilter",
    (home) => {
      change(home, ".mailfilter", /RETURNCODE == 99/, "RETURNCODE == 98");
      return lineOf(home, ".mailfilter", "/incoming");
    },
    /^RETURNCODE is not compared with 99$/,
    /^A message that the hook filed as spam is delivered, too\.$/,
    /RETURNCODE == 99/,
  ],
  [
    "others may read the filter",
    ".mailfilter",
    (home) => void Deno.chmodSync(`${home.path}/.mailfilter`, 0o644),
    /^The filter is accessible to others$/,
    /maildrop/,
    /^chmod 600 ~\/\.mailfilter$/,
  ],
  [
    "others may read the key",
    KEYS,
    (home) => void Deno.chmodSync(`${home.path}/${KEYS}`, 0o640),
    /^Key file is readable by others \(mode 0640\)$/,
    /the shim sends nothing/,
    /^chmod 600 ~\/\S+\/keys$/,
  ],
  [
    "a setting is misspelt",
    CONFIG,
    (home) => change(home, CONFIG, /^preset =/, "prest ="),
    /^Unknown setting transport\.prest$/,
    /the shim sends nothing/,
    /^did you mean transport\.preset\?/,
  ],
  [
    "the transport program is missing",
    CONFIG,
    (home) => {
      Deno.removeSync(`${home.path}/bin/sendmail`);
      return lineOf(home, CONFIG, "/bin/sendmail");
    },
    /^transport\.command: ~\/bin\/sendmail does not exist$/,
    /^Nothing can be sent\.$/,
    /^transport\.command = \[/,
  ],
  [
    "the log cannot be written",
    `${STATE}/log`,
    (home) => {
      Deno.removeSync(`${home.path}/${STATE}/log`);
      return void Deno.mkdirSync(`${home.path}/${STATE}/log`);
    },
    /^The log ~\/\S+\/log is not a file$/,
    /what happened/,
    /^mv ~\/\S+\/log /,
  ],
];

test("from an empty home to the first recognized bounce, and ten problems that doctor finds", async (t) => {
  assert.equal(new Set(DAMAGES.map(([name]) => name)).size, 10);
  using home = newUserHome();
  const inbox = () => home.mails("Maildir");
  const spam = () => home.mails("Maildir/.Spam");

  await t.step("doctor finds nothing after init with all printed lines pasted", async () => {
    await setUp(home);
    assert.deepEqual(await doctor(home, 0), []);
  });

  await t.step("mutt sends; the genuine bounce is delivered, and a forged one is filed", async () => {
    const { sender, mail } = await send(home);
    assert.match(sender, /^SRS0=[\w-]{8}=[A-Z2-7]{2}=example\.org=greg@srs\.example\.org$/);
    assert.match(fieldOf(mail, "X-Msgauth"), /^v1\.k1\./);
    await bounce(home, sender, mail);
    assert.deepEqual([inbox().length, spam().length], [1, 0]);
    await bounce(home, sender.replace(/=.{8}=/, "=aaaaaaaa="), mail);
    assert.deepEqual([inbox().length, spam().length], [1, 1]);
    assert.deepEqual(await doctor(home, 0), []);
  });

  for (const [name, file, damage, what, why, fix] of DAMAGES) {
    await t.step(name, async () => {
      const before = [".muttrc", ".mailfilter", CONFIG, KEYS, "bin/sendmail"].map((path) => {
        return [path, home.read(path), Deno.statSync(`${home.path}/${path}`).mode! & 0o777] as const;
      });
      const restore = () => before.forEach((saved) => home.write(...saved));
      try {
        const line = damage(home);
        const found = await doctor(home, /[Uu]nknown setting/.test(what.source) ? 78 : 1);
        assert.equal(found.length, 1, JSON.stringify(found));
        assert.match(found[0]!.what, what);
        assert.equal(found[0]!.where, `~/${file}${line === undefined ? "" : `:${line}`}`);
        assert.match(found[0]!.why, why);
        assert.match(found[0]!.fix, fix);
        // If the fix is a shell command, running it must fix the problem.
        const command = /^(?:chmod|mv) .*/.exec(found[0]!.fix)?.[0];
        if (command === undefined) restore();
        else assert.equal((await home.run(["/bin/sh", "-c", command])).code, 0, command);
        assert.deepEqual(await doctor(home, 0), [], `${name}, fixed`);
      } finally {
        restore();
      }
    });
  }
});
