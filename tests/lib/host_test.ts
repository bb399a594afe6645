/** What touches the system: environment bytes, key files, time of keys. */
import assert from "node:assert/strict";
import { CREATED, Home, oneLine, ROOT, SECRET } from "../rig.ts";
import { FORGED, FORGED_SRS } from "../programs/letters.ts";
import { nothingSent, signed } from "../stub.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";
const KEYS = ".config/countersign/keys";
const OUT = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n[incoming]\nspam = "~/Maildir/.Spam"\n`;
/** The day so many days from now, as a key file has it. */
const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

/** Runs the hook by Deno with these permissions and a SENDER that is not UTF-8, which Deno itself cannot give. */
function hookWith(home: Home, permissions: string[], args: string[], env: Record<string, string>) {
  const script = `SENDER=$(printf 's\\377r@x.test'); export SENDER; exec deno run -q --no-prompt "$@"`;
  const hook = [`${ROOT}/hooks/incoming.ts`, "incoming", ...args];
  return home.run(["sh", "-c", script, "sh", `--config=${ROOT}/deno.json`, ...permissions, ...hook], FORGED, env);
}

const WIDE = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys=uid"];
const may: [what: string, permissions: string[]][] = [
  ["printenv may run", ["--allow-run"]],
  ["only printenv may run", ["--allow-run=/usr/bin/printenv"]],
  ["printenv may not run", ["--deny-run"]],
  ["another program may run", ["--allow-run=/bin/true"]],
];
for (const [what, permissions] of may) {
  Deno.test(`a sender that is not UTF-8, and ${what}: the mail is judged`, async () => {
    using home = new Home();
    home.settings(OUT);
    const inbox = ["--maildir", `${home.path}/Maildir`];
    const envs = [{ RECIPIENT: "greg@example.org" }, { RECIPIENT: FORGED_SRS }];
    for (const env of envs) {
      const ran = await hookWith(home, [...WIDE, ...permissions], inbox, env);
      assert.deepEqual(ran, { code: 99, stdout: "", stderr: "" });
    }
    // The sender is somebody's, so what is forged is known by the address alone.
    assert.deepEqual(
      [home.mails("Maildir"), home.mails("Maildir/.Spam")].map((mails) => mails.map((mail) => mail.split("\n")[0])),
      [
        [`X-Countersign: other; check=addressed; reason="the envelope sender is a person's"`],
        [`X-Countersign: forged; check=signed-recipient; reason="SRS address has a wrong hash"`],
      ],
    );
    assert.equal(home.read(".local/state/countersign/log").match(/ sender=unreadable /g)?.length, 2);
  });
}

Deno.test("the bytes of a variable, with printenv and without", async () => {
  using home = new Home();
  const code = `const { envBytes } = await import("${ROOT}/lib/host.ts");
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

Deno.test("two identities with one secret are refused, in whatever way it is written", async () => {
  const other = (keys: string) => `[[identity]]\naddress = "club@example.org"\nkeys = "${keys}"\n`;
  const same = [`x9 ${CREATED} ${SECRET}`, `x9 ${CREATED} base64:${btoa(SECRET)}`];
  const rows: [keys: string, status: number][] = [
    ...same.map((line): [string, number] => [line, 78]),
    [`a1 ${CREATED} another\n${same[0]}\n`, 78],
    [`k1 ${CREATED} another`, 0],
    [`x9 ${CREATED} another\nx8 ${CREATED} another`, 0], // one's own twice ties nobody to anybody
  ];
  for (const [keys, status] of rows) {
    using home = new Home();
    home.settings(`${other("keys-club")}${OUT}`);
    home.write(".config/countersign/keys-club", keys, 0o600);
    const ran = await home.shim(["ann@example.net"], MAIL);
    if (status === 0) assert.deepEqual(ran, { code: 0, stdout: "", stderr: "" });
    else {
      oneLine(ran, status, /^shim: Two identities have the same secret in their key files$/m);
      nothingSent(home);
      const env = { SENDER: "", RECIPIENT: "greg@example.org" };
      oneLine(await home.hook([], MAIL, env), 75, /^incoming: Two identities have the same secret/m);
    }
    assert.ok(!ran.stderr.includes(SECRET));
  }
});

Deno.test("a key of the day after tomorrow neither signs nor verifies; one of tomorrow does", async () => {
  for (const [days, good] of [[2, false], [400, false], [1, true], [0, true]] as const) {
    using home = new Home();
    home.settings(OUT);
    home.write(KEYS, `k1 ${day(days)} ${SECRET}\n`, 0o600);
    const ran = await home.shim(["ann@example.net"], MAIL);
    if (good) assert.equal(ran.code, 0, ran.stderr);
    else {
      oneLine(ran, 78, /^shim: No key of greg@example\.org can sign today: /m);
      nothingSent(home);
    }
    const env = { SENDER: "", RECIPIENT: await signed() };
    assert.equal((await home.hook(["--maildir", `${home.path}/Maildir`], FORGED, env)).code, 99);
    assert.deepEqual([home.mails("Maildir").length, home.mails("Maildir/.Spam").length], good ? [1, 0] : [0, 1]);
  }
});

Deno.test("a key that is not yet good leaves the signing to the older one", async () => {
  using home = new Home();
  home.write(KEYS, `k1 ${CREATED} ${SECRET}\nk2 ${day(2)} another\n`, 0o600);
  assert.equal((await home.shim(["ann@example.net"], MAIL)).code, 0);
  assert.match(home.mails("out")[0]!, /^X-Msgauth: v1\.k1\./m);
});
