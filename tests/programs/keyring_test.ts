/** contrib/keyring with the real pass and secret-tool: unlocked, locked, and an entry with several lines. */
import assert from "node:assert/strict";
import { Authority } from "../certificates.ts";
import { Home, oneLine, type Ran, ROOT } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { lacking, need, tests } from "./need.ts";

const onPass = tests([await lacking("pass"), await lacking("openssl")].filter((one) => one !== "").join(", "));
const programs = ["secret-tool libsecret-tools", "gnome-keyring-daemon gnome-keyring", "dbus-run-session dbus"];
const missing = [];
for (const one of programs) missing.push(await lacking(...one.split(" ") as [string, string]));
const onKeyring = tests(missing.filter((one) => one !== "").join(", "));
await need("openssl");

const PASSWORD = "correct horse, grün";
const login = (user: string) => `AUTH PLAIN ${new TextEncoder().encode(`\0${user}\0${PASSWORD}`).toBase64()}`;

/** Two servers, and greg's home with the snippet. */
class Desk implements AsyncDisposable {
  readonly home = new Home();

  private constructor(readonly authority: Authority, readonly greg: Sink, readonly work: Sink) {}

  static async open(): Promise<Desk> {
    const authority = await Authority.make();
    const tls = await authority.leaf("DNS:localhost");
    const answers = { extensions: ["AUTH PLAIN"] };
    const desk = new Desk(authority, new Sink(answers, tls), new Sink(answers, { ...tls, start: true }));
    desk.settings();
    return desk;
  }

  /** Writes the snippet, with the servers of this test. */
  settings(change = (text: string) => text): void {
    let text = Deno.readTextFileSync(`${ROOT}/contrib/keyring/config.toml`);
    for (const [host, { port }] of [["smtp.example.org", this.greg], ["smtp.work.example", this.work]] as const) {
      assert.ok(text.includes(`host = "${host}"`));
      text = text.replace(`host = "${host}"`, `host = "localhost"\nport = ${port}\nca = "${this.authority.ca}"`);
    }
    this.home.settings(change(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.greg[Symbol.asyncDispose]();
    await this.work[Symbol.asyncDispose]();
    this.home[Symbol.dispose]();
    this.authority[Symbol.dispose]();
  }
}

const letter = (from: string) => `From: ${from}\nTo: ann@example.net\nSubject: Lunch?\n\nAt one?\n`;
const sent: Ran = { code: 0, stdout: "", stderr: "" };

onPass("pass: the password of an account", async (t) => {
  await using desk = await Desk.open();
  const { home, greg } = desk;
  const gnupg = `${home.path}/.gnupg`;
  home.write(".gnupg/gpg-agent.conf", "pinentry-program /bin/false\n", 0o600);
  Deno.chmodSync(gnupg, 0o700);
  const run = async (argv: string[], input = "") => {
    const ran = await home.run(argv, input);
    assert.equal(ran.code, 0, `${argv.join(" ")}: ${ran.stderr}`);
  };
  const gpg = ["gpg", "--batch", "--pinentry-mode", "loopback"];
  const create = (name: string, passphrase: string) =>
    run([...gpg, "--passphrase", passphrase, "--quick-generate-key", name, "default", "default", "never"]);
  const send = () => home.shim(["ann@example.net"], letter("greg@example.org"));
  try {
    await create("greg@example.org", "");
    await run(["pass", "init", "greg@example.org"]);
    await run(["pass", "insert", "-e", "mail/greg"], `${PASSWORD}\n`);
    await t.step("unlocked", async () => {
      assert.deepEqual(await send(), sent);
      assert.equal(greg.accepted.splice(0).length, 1);
      assert.ok(greg.lines.includes(login("greg")));
    });
    const says = (what: string) => new RegExp(`^shim: password_command of account "home" ${what}`);
    await t.step("an entry with two lines, and the first of them by a script", async () => {
      await run(["pass", "insert", "-m", "-f", "mail/greg"], `${PASSWORD}\nuser: greg\n`);
      oneLine(await send(), 78, says("printed 2 lines instead of one line: "));
      const readme = Deno.readTextFileSync(`${ROOT}/contrib/keyring/README.md`);
      const [, first, second] = /with `(#!.*)` and `(.*)`\. Name/.exec(readme)!;
      const script = home.write("bin/mail-password", `${first}\n${second}\n`, 0o700);
      desk.settings((text) => text.replace('["/usr/bin/pass", "show", "mail/greg"]', `["${script}"]`));
      assert.deepEqual(await send(), sent);
      desk.settings();
    });
    await t.step("an entry that does not exist", async () => {
      desk.settings((text) => text.replace('mail/greg"]', 'mail/nobody"]'));
      oneLine(
        await send(),
        75,
        says("exited with status 1: Error: mail/nobody is not in the password store\\.: unlock"),
      );
      desk.settings();
    });
    await t.step("locked: the passphrase cannot be asked for", async () => {
      await create("locked@example.org", "a passphrase");
      await run(["pass", "init", "locked@example.org"]);
      await run(["gpgconf", "--kill", "gpg-agent"]);
      oneLine(await send(), 75, says("exited with status 2: gpg: .*: unlock the keyring, or run the program in"));
      assert.ok(!greg.lines.slice(-1).some((line) => line.startsWith("AUTH")));
    });
  } finally {
    await home.run(["gpgconf", "--kill", "all"]);
  }
});

onKeyring("secret-tool: the password of an account, from the keyring of the session", async (t) => {
  await using desk = await Desk.open();
  const { home, work } = desk;
  const runtime = `${home.path}/run`;
  Deno.mkdirSync(runtime, { mode: 0o700 });
  home.write("letter", letter("joe@work.example"));
  /** Runs a script in a session of its own, in which the keyring is unlocked. The keyring ends with its session. */
  const inSession = async (script: string): Promise<Ran> => {
    const text = `printf unlock | gnome-keyring-daemon --unlock --components=secrets >/dev/null\n${script}`;
    const { code, stdout } = await home.run(
      ["dbus-run-session", "--", "sh", "-ec", text],
      "",
      { XDG_RUNTIME_DIR: runtime },
    );
    return { code, stdout, stderr: home.read("stderr") }; // without what the session bus writes
  };
  const shim = `${ROOT}/shim/shim -f joe@work.example ann@example.net <"$HOME/letter" 2>"$HOME/stderr"`;
  await t.step("unlocked", async () => {
    const store =
      `printf '%s' '${PASSWORD}' | secret-tool store --label="Mail at work" service smtp user greg@work.example`;
    const comment = /^# (secret-tool store .*)$/m.exec(
      Deno.readTextFileSync(`${ROOT}/contrib/keyring/config.toml`),
    )![1]!;
    assert.ok(store.endsWith(comment), comment);
    const ran = await inSession(`${store}\n${shim}`);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.equal(work.accepted.splice(0).length, 1);
    assert.ok(work.lines.includes(login("greg@work.example")));
  });
  const says =
    /^shim: password_command of account "work" exited with status 1(?:: secret-tool: .*)?: unlock the keyring/;
  await t.step("a password that is not in the keyring", async () => {
    const ran = await inSession(`secret-tool clear service smtp user greg@work.example\n${shim}`);
    oneLine(ran, 75, says);
  });
  await t.step("outside of a session", async () => {
    const { code, stdout } = await home.run(["sh", "-c", shim]);
    oneLine({ code, stdout, stderr: home.read("stderr") }, 75, says);
  });
});
