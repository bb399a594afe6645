/** Debian's cron with contrib/cron sends the output of jobs through the shim. */
import assert from "node:assert/strict";
import { verifyTag } from "../../mod.ts";
import { fieldOf, Home, ROOT, SECRET } from "../rig.ts";
import { unpacked } from "./unpacked.ts";

// Runs in its own root, so that the machine's cron needs no crontab.
const { test, unpack } = await unpacked("cron", "dash", "coreutils", "libc-bin", "libpam-modules");

const read = (name: string) => Deno.readTextFileSync(`${ROOT}/contrib/cron/${name}`);
const JOB = `@reboot printf 'Gr\\303\\274\\303\\237e\\n.\\nafter\\n'\n`;
const SRS = /^SRS0=[\w-]{8}=[A-Z2-7]{2}=example\.org=root@srs\.example\.org$/;
const recipientsOf = (mail: string) => [...mail.matchAll(/^X-Envelope-To: (.*)$/gm)].map((match) => match[1]);

/** A home with the settings of contrib/cron, in which mail is delivered to a maildir. */
function cronHome(): Home {
  const home = new Home();
  const transport = `[transport]\nvia = "maildir"\nmaildir = "${home.path}/out"\n`;
  home.write(".config/countersign/config.toml", `${read("config.toml")}\n${transport}`);
  return home;
}

/** Runs cron with this crontab. @returns the mail that it sends, and the arguments and environment of sendmail */
async function runCron(crontab: string): Promise<{ mail: string; argv: string[]; environment: string[] }> {
  using home = cronHome();
  await using root = await unpack();
  root.write("etc/passwd", `root:x:0:0:root:${home.path}:/bin/sh\n`);
  root.write(
    "etc/pam.d/cron",
    ["auth", "account", "session"].map((kind) => `${kind} required pam_permit.so\n`).join(""),
  );
  root.write("var/spool/cron/crontabs/root", crontab, 0o600);
  // In place of a link to the shim: the launcher of a checkout must find Deno, unlike an installed one.
  const cache = home.env["DENO_DIR"]!;
  root.write(
    "usr/sbin/sendmail",
    `#!/bin/sh
for word; do echo "$word"; done >${home.path}/argv
env >${home.path}/environment
export DENO_DIR=${cache} PATH=${home.path}/bin:$PATH
${ROOT}/shim/shim "$@" 2>${home.path}/stderr
echo $? >${home.path}/status
`,
    0o755,
  );
  Deno.mkdirSync(cache, { recursive: true });
  let ended = false;
  const cron = root.startWith([ROOT, cache, Deno.execPath(), home.path, "/proc"], ["/usr/sbin/cron", "-f"]);
  cron.then(() => ended = true);
  while (home.read("status") === "" && !ended) await new Promise((done) => setTimeout(done, 20));
  assert.deepEqual([home.read("stderr"), home.read("status")], ["", "0\n"]);
  const lines = (name: string) => home.read(name).trimEnd().split("\n");
  return { mail: home.mails("out")[0]!, argv: lines("argv"), environment: lines("environment") };
}

function assertSigned(mail: string): void {
  assert.match(fieldOf(mail, "Return-Path").replace(/[<>]/g, ""), SRS);
  const id = fieldOf(mail, "Message-ID");
  verifyTag(fieldOf(mail, "X-Msgauth"), "root@example.org", id, { secrets: { k1: SECRET }, now: new Date() });
  assert.ok(fieldOf(mail, "Date"));
}

test("cron: the output of a job is sent signed", async () => {
  const { mail, argv, environment } = await runCron(`${read("crontab")}${JOB}`);
  assertSigned(mail);
  assert.deepEqual(recipientsOf(mail), ["greg@example.org", "ops@example.net"]);
  assert.ok(mail.endsWith("\n\nGrüße\n.\nafter\n"), mail);
  assert.equal(fieldOf(mail, "From"), "root@example.org");

  const [recorded] = JSON.parse(Deno.readTextFileSync(`${ROOT}/tests/recorded/clients.json`))
    .filter((run: { label: string }) => run.label === "cron") as [{ calls: [{ argv: string[] }] }];
  const expected = recorded.calls[0].argv.slice(1, -1);
  assert.deepEqual(
    argv,
    [...expected, "greg@example.org,ops@example.net"],
    "the recorded call",
  );
  // sendmail gets the daemon's environment, not the crontab's. It has no HOME, so the launcher looks it up.
  const names = environment.map((line) => line.split("=")[0]!).filter((name) => !["PWD", "_", "SHLVL"].includes(name));
  assert.deepEqual(names, ["PATH"]);
});

test("cron: without MAILFROM the domain of root is taken from the settings", async () => {
  const crontab = read("crontab").replace(/^MAILFROM=.*\n/m, "");
  assert.notEqual(crontab, read("crontab"));
  const { mail } = await runCron(`${crontab}${JOB}`);
  assertSigned(mail);
  assert.match(fieldOf(mail, "From"), /^root \(Cron Daemon\)$/);
});

test("cron mails the report of contrib/report", async () => {
  const line = Deno.readTextFileSync(`${ROOT}/contrib/report/crontab`).split("\n")[1]!;
  const [, command] = /^0 7 \* \* 1 \/usr\/local\/bin\/countersign (.*)$/.exec(line)!;
  const program = `${Deno.execPath()} run -q -A --config ${ROOT}/deno.json ${ROOT}/main.ts countersign`;
  const cache = new Home();
  try {
    const { mail } = await runCron(
      `${read("crontab")}DENO_DIR=${cache.env["DENO_DIR"]}\n@reboot ${program} ${command}\n`,
    );
    assertSigned(mail);
    assert.match(mail, /\n\nNo mail was logged from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d\.\n$/);
  } finally {
    cache[Symbol.dispose]();
  }
});

Deno.test("cron: its call of sendmail, in its environment", async (t) => {
  const header = (from: string) => `From: ${from}\nTo: a@x.example,b@x.example\nSubject: Cron <root@vm> true\n\n`;
  const call = 'exec "$SHIM" -FCronDaemon -i -B8BITMIME -oem a@x.example,b@x.example';
  const table: [from: string, more?: Record<string, string>][] = [
    ["root@example.org"],
    ["root (Cron Daemon)"],
    ['"root" <root>'],
    ["root@example.org", { HOME: "" }],
  ];
  for (const [from, more] of table) {
    await t.step(`${from}${more ? ", no HOME" : ""}`, async () => {
      using home = cronHome();
      home.write("bin/getent", `#!/bin/sh\necho "root:x:0:0:Root, with a name:${home.path}:/bin/sh"\n`, 0o755);
      const env = { ...more, SHELL: "/bin/sh", LANG: "C.UTF-8", LOGNAME: "root", SHIM: `${ROOT}/shim/shim` };
      const ran = await home.run(["/bin/sh", "-c", call], `${header(from)}Grüße\n.\nafter\n`, env);
      assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
      const [mail, ...others] = home.mails("out");
      assert.deepEqual(others, []);
      assertSigned(mail!);
      assert.deepEqual(recipientsOf(mail!), ["a@x.example", "b@x.example"]);
      assert.ok(mail!.endsWith("\n\nGrüße\n.\nafter\n"));
    });
  }
});
