/** Environment variables that are not UTF-8, reading key files, dates of keys, and missing or unreadable files. */
import assert from "node:assert/strict";
import { isMissing, readIfPresent } from "../../../io/system/files.ts";
import { countersign } from "../../admin/run.ts";
import { CREATED, fieldOf, Home, oneLine, qsbmf, ROOT, SECRET } from "../../rig.ts";
import { FORGED, FORGED_SRS } from "../../programs/letters.ts";
import { signed } from "../../stub.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";
const KEYS = ".config/countersign/keys";
const OUT = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/Maildir/.Spam"\n`;
/** The date that many days from now, as written in a key file. */
const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

/** Runs the hook with these permissions and a SENDER that is not UTF-8, which only a shell can set. */
function hookWith(home: Home, permissions: string[], args: string[], env: Record<string, string>) {
  const script = `SENDER=$(printf 's\\377r@x.test'); export SENDER; exec deno run -q --no-prompt "$@"`;
  const hook = [`${ROOT}/hooks/incoming.ts`, "incoming", ...args];
  return home.run(["sh", "-c", script, "sh", `--config=${ROOT}/deno.json`, ...permissions, ...hook], FORGED, env);
}

const BASE_PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys=uid"];
const RUN_PERMISSIONS: [what: string, permissions: string[]][] = [
  ["printenv may run", ["--allow-run"]],
  ["only printenv may run", ["--allow-run=/usr/bin/printenv"]],
  ["printenv may not run", ["--deny-run"]],
  ["another program may run", ["--allow-run=/bin/true"]],
];
for (const [what, permissions] of RUN_PERMISSIONS) {
  Deno.test(`a message from a sender that is not UTF-8 gets a verdict if ${what}`, async () => {
    using home = new Home();
    home.settings(OUT);
    const inbox = ["--maildir", `${home.path}/Maildir`];
    const envs = [{ RECIPIENT: "greg@example.org" }, { RECIPIENT: FORGED_SRS }];
    for (const env of envs) {
      const ran = await hookWith(home, [...BASE_PERMISSIONS, ...permissions], inbox, env);
      assert.deepEqual(ran, { code: 99, stdout: "", stderr: "" });
    }
    // The sender is not null, so that only an invalid signed address makes a message forged.
    assert.deepEqual(
      [home.mails("Maildir"), home.mails("Maildir/.Spam")].map((mails) => mails.map((mail) => mail.split("\n")[0])),
      [
        [`X-Countersign: other; check=addressed; reason="not from the null sender or a mailer daemon"`],
        [`X-Countersign: forged; check=signed-recipient; reason="SRS address has a wrong hash"`],
      ],
    );
    assert.equal(home.read(".local/state/countersign/log").match(/ sender=unreadable /g)?.length, 2);
  });
}

Deno.test("envBytes returns the bytes of a variable if printenv may run", async () => {
  using home = new Home();
  const code = `const { envBytes } = await import("${ROOT}/io/system/environment.ts");
for (const name of ["ODD", "PLAIN", "EMPTY", "MISSING"]) console.log(name, String(await envBytes(name)));`;
  home.write("bytes.ts", code);
  const script = `ODD=$(printf 's\\377\\nr'); export ODD; exec deno run -q --no-prompt "$@"`;
  const permissions = (run: string) => [`--config=${ROOT}/deno.json`, "--allow-read", "--allow-env", run];
  const bytes = async (run: string) => {
    const argv = ["sh", "-c", script, "sh", ...permissions(run), `${home.path}/bytes.ts`];
    const ran = await home.run(argv, "", { PLAIN: "ü\n", EMPTY: "" });
    assert.equal(ran.stderr, "");
    return ran.stdout;
  };
  const utf8 = (text: string) => String(new TextEncoder().encode(text));
  const rest = `PLAIN ${utf8("ü\n")}\nEMPTY \nMISSING undefined\n`;
  const odd = String(new Uint8Array(["s".charCodeAt(0), 0xff, 0x0a, "r".charCodeAt(0)]));
  assert.equal(await bytes("--allow-run=/usr/bin/printenv"), `ODD ${odd}\n${rest}`);
  assert.equal(await bytes("--deny-run"), `ODD ${utf8("\ufffd")}\n${rest}`);
});

Deno.test("sandbox and doctor report two identities with the same secret, however it is written", async () => {
  const other = (keys: string) => `[[identity]]\naddress = "club@example.org"\nkeys = "${keys}"\n`;
  const same = [`x9 ${CREATED} ${SECRET}`, `x9 ${CREATED} base64:${btoa(SECRET)}`];
  const rows: [keys: string, shared: boolean][] = [
    ...same.map((line): [string, boolean] => [line, true]),
    [`a1 ${CREATED} another\n${same[0]}\n`, true],
    [`k1 ${CREATED} another`, false],
    [`x9 ${CREATED} another\nx8 ${CREATED} another`, false], // twice in one file
    ["no key", false], // reported by doctor as another problem
  ];
  for (const [keys, shared] of rows) {
    using home = new Home();
    home.settings(`${other("keys-club")}${OUT}`);
    home.write(".config/countersign/keys-club", keys, 0o600);
    // A message needs only the keys of its own identity.
    assert.deepEqual(await home.shim(["ann@example.net"], MAIL), { code: 0, stdout: "", stderr: "" });
    const ran = await countersign(home, ["sandbox"]);
    const what = /greg@example\.org and club@example\.org have the same secret in their key files/;
    if (shared) oneLine(ran, 78, what);
    else assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    const { stdout } = await countersign(home, ["doctor", "--json"]);
    assert.equal(what.test(stdout), shared, stdout);
    assert.ok(!(stdout + ran.stderr).includes(SECRET));
  }
});

Deno.test("only the key files of identities that a message involves are read", async () => {
  using home = new Home();
  const names = Array.from({ length: 20 }, (_, nth) => `id${nth}`);
  const missing = names.map((name) => `[[identity]]\naddress = "${name}@example.org"\nkeys = "keys-${name}"\n`);
  home.settings(`${missing.join("")}${OUT}`);
  // The other key files do not exist, which is an error only when they are read.
  assert.deepEqual(await home.shim(["ann@example.net"], MAIL), { code: 0, stdout: "", stderr: "" });
  assert.match(home.mails("out")[0]!, /^X-Msgauth: v1\.k1\./m);
  const inbox = ["--maildir", `${home.path}/Maildir`];
  const recipients = ["greg@example.org", signed(), FORGED_SRS];
  for (const RECIPIENT of recipients) {
    assert.deepEqual(await home.hook(inbox, FORGED, { SENDER: "", RECIPIENT }), { code: 99, stdout: "", stderr: "" });
  }
  assert.deepEqual([home.mails("Maildir").length, home.mails("Maildir/.Spam").length], [1, 2]);
  const needed = await home.shim(["ann@example.net"], MAIL.replace("greg@", "id7@"));
  oneLine(needed, 78, /^shim: \S+keys-id7: Key file does not exist: countersign keys new --address id7@example\.org$/m);
});

Deno.test("a key dated the day after tomorrow neither signs nor verifies, one dated tomorrow does both", async () => {
  for (const [days, good] of [[2, false], [400, false], [1, true], [0, true]] as const) {
    using home = new Home();
    home.settings(OUT);
    home.write(KEYS, `k1 ${day(days)} ${SECRET}\n`, 0o600);
    const ran = await home.shim(["ann@example.net"], MAIL);
    assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    const [mail = ""] = home.mails("out");
    const why = /"No key of greg@example\.org can sign: it is dated in the future"/;
    assert.equal(/^X-Msgauth: /m.test(mail), good);
    assert.equal(fieldOf(mail, "Return-Path").startsWith("<SRS0="), good);
    assert.equal(why.test(home.read(".local/state/countersign/log")), !good);

    const env = { SENDER: "", RECIPIENT: signed() };
    const hook = await home.hook(["--maildir", `${home.path}/Maildir`], FORGED, env);
    if (good) assert.equal(hook.code, 99);
    else oneLine(hook, 75, /^incoming: No key of greg@example\.org can verify today/m);
    const deferred =
      /^time=\S+ direction=in sender=<> outcome=defer .*why=temporary warning="greg@example\.org: no key can sign: it is dated in the future"$/m;
    assert.equal(deferred.test(home.read(".local/state/countersign/log")), !good);
    assert.deepEqual([home.mails("Maildir").length, home.mails("Maildir/.Spam").length], good ? [1, 0] : [0, 0]);
  }
});

Deno.test("if all keys are too old, mail is sent unsigned, its bounces are known and others are marked", async () => {
  for (const [days, judged] of [[719, true], [721, true], [899, true], [901, false]] as const) {
    using home = new Home();
    home.settings(OUT);
    home.write(KEYS, `k1 ${day(-days)} ${SECRET}\n`, 0o600);
    assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
    const [mail = ""] = home.mails("out");
    assert.equal(/^X-Msgauth: /m.test(mail), days < 720, `${days}`);
    const bounce = async (original: string, recipient: string): Promise<string> => {
      const env = { SENDER: "", RECIPIENT: recipient };
      const { code } = await home.hook(["--maildir", `${home.path}/Maildir`], qsbmf(recipient, original), env);
      assert.equal(code, 99);
      const log = home.read(".local/state/countersign/log").trimEnd().split("\n").at(-1)!;
      return / result=(\w+)/.exec(log)![1]!;
    };
    assert.equal(await bounce(mail, "greg@example.org"), days < 720 ? "genuine" : "known", `${days}`);
    const other = mail.replace(/^X-Msgauth: .*\n/m, "").replace(/^Message-ID: .*$/m, "Message-ID: <no@example.org>");
    assert.equal(await bounce(other, "greg@example.org"), judged ? "forged" : "unjudged", `${days}`);
    assert.equal(await bounce(other, signed()), judged ? "genuine" : "unjudged");
    const log = home.read(".local/state/countersign/log");
    for (const direction of ["out", "in"]) {
      const line = log.split("\n").find((line) => line.includes(` direction=${direction} `))!;
      assert.match(
        line,
        days < 720 ? / warning=".*stops signing on / : / (?:error|warning)=".*no key can sign|No key/,
        line,
      );
    }
  }
});

Deno.test("if the newest key is dated in the future, the older one signs", async () => {
  using home = new Home();
  home.write(KEYS, `k1 ${CREATED} ${SECRET}\nk2 ${day(2)} another\n`, 0o600);
  assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
  assert.match(home.mails("out")[0]!, /^X-Msgauth: v1\.k1\./m);
});

Deno.test("a missing file is distinguished from one that cannot be read", async (t) => {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-" });
  const at = (name: string) => `${folder}/${name}`;
  Deno.writeTextFileSync(at("file"), "text");
  Deno.symlinkSync("loop", at("loop"));
  Deno.symlinkSync("nowhere", at("dangling"));
  Deno.mkdirSync(at("folder"));
  /** [name, contents or error, whether isMissing() is true] */
  const rows: [name: string, read: string | undefined | RegExp, missing: boolean][] = [
    ["file", "text", false],
    ["none", undefined, true],
    ["none/below", undefined, true],
    ["file/below", undefined, true],
    ["x".repeat(300), undefined, true],
    ["loop", /^File cannot be read: /, false],
    ["loop/below", /^File cannot be read: /, false],
    ["folder", /^File cannot be read: /, false],
    // A dangling link cannot be opened, but its name exists.
    ["dangling", undefined, false],
  ];
  try {
    for (const [name, read, missing] of rows) {
      await t.step(name.slice(0, 20), () => {
        if (read instanceof RegExp) {
          assert.throws(() => readIfPresent(at(name)), { kind: "temporary", file: at(name), message: read });
        } else assert.equal(readIfPresent(at(name)), read);
        assert.equal(isMissing(at(name)), missing);
      });
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test(
  "a file outside the sandbox is not reported as missing",
  { permissions: { read: [import.meta.filename!] } },
  () => {
    for (const path of ["/etc/passwd", "/nonexistent"]) {
      const data = { file: path, message: /^File cannot be read: .* is not permitted$/, fix: "countersign sandbox" };
      assert.throws(() => readIfPresent(path), { kind: "temporary", ...data }, path);
      assert.equal(isMissing(path), false, path);
    }
  },
);

Deno.test("if a user's settings cannot be read, the site's settings are not used instead", async () => {
  using home = new Home();
  Deno.removeSync(`${home.path}/.config/countersign`, { recursive: true });
  Deno.symlinkSync("countersign", `${home.path}/.config/countersign`);
  const script = home.write(
    "config_file.ts",
    `import { configFile } from "${ROOT}/io/system/load.ts";\nconsole.log(configFile().file);\n`,
  );
  const argv = [Deno.execPath(), "run", "-q", "-A", "--frozen", "--config", `${ROOT}/deno.json`, script];
  assert.equal((await home.run(argv)).stdout, `${home.path}/.config/countersign/config.toml\n`);
  oneLine(
    await home.hook([], FORGED, { SENDER: "", RECIPIENT: "greg@example.org" }),
    75,
    /config\.\w+: .* cannot be read: /,
  );
});
