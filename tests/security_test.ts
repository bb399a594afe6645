/** The claims of SECURITY.md: a probe that replaces a program, started by its launcher, cannot leave the sandbox. */
import assert from "node:assert/strict";
import { CLIENTS, launcherText, PROGRAMS } from "../build/install/launcher.ts";
import { timingSafeEqual } from "../lib/bytes.ts";
import { prvsSign, signTag, srsForward } from "../mod.ts";
import { stubTransport } from "./stub.ts";
import { fieldOf, Home, ROOT, SECRET, sourceFiles } from "./rig.ts";
import { randomNonce } from "./random.ts";

/** Tries each operation and prints `yes`, `no` (denied by Deno) or the error. */
const PROBE = `const describe = (error) => error instanceof Deno.errors.NotCapable ? "no" : error.message;
const tries = {
  readAny: (path) => Deno.readTextFileSync(path),
  writeAny: (path) => Deno.writeTextFileSync(path, "x"),
  remove: (path) => Deno.removeSync(path),
  link: ([from, to]) => Deno.symlinkSync(from, to),
  rename: ([from, to]) => Deno.renameSync(from, to),
  run: (path) => new Deno.Command(path, { args: ["x"], stdout: "null", stderr: "null" }).outputSync(),
  connect: (port) => Deno.connect({ hostname: "127.0.0.1", port }),
  connectUnix: (path) => Deno.connect({ transport: "unix", path }),
  fetch: (port) => fetch("http://127.0.0.1:" + port),
  resolve: (name) => Deno.resolveDns(name, "A"),
  load: (url) => import(url),
  native: (path) => Deno.dlopen(path, {}),
  kill: (pid) => Deno.kill(pid, "SIGKILL"),
  inspect: () => Deno.systemMemoryInfo(),
  ask: () => Deno.permissions.request({ name: "net" }).then(({ state }) => {
    if (state !== "granted") throw new Deno.errors.NotCapable();
  }),
};
const results = [];
for (const [what, thing] of JSON.parse(Deno.env.get("PROBE"))) {
  try {
    await tries[what](thing);
    results.push("yes");
  } catch (error) {
    results.push(describe(error));
  }
}
console.log(JSON.stringify(results));
Deno.exit(0);
`;

/** Runs the probe with the rights of this program, or of this command of `countersign`. */
async function probe(
  home: Home,
  rights: string,
  tries: [string, unknown][],
  env: Record<string, string> = {},
  args: readonly string[] = ["--as", "postfix"],
): Promise<string[]> {
  const entry = home.write("lib/probe.js", PROBE);
  const flags = "--no-config --no-lock --no-npm --no-remote --cached-only";
  const text = launcherText({ program: "probe", rights, deno: Deno.execPath(), entry, flags, cache: "" });
  const launcher = home.write(rights === "" ? "countersign" : "probe", text, 0o755);
  const ran = await home.run([launcher, ...args], "", { ...env, PROBE: JSON.stringify(tries) });
  assert.equal(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout);
}

/** What no program may do. @param port that of a server on this machine */
function outside(home: Home, port: number): [string, unknown][] {
  const at = (name: string) => `${home.path}/${name}`;
  const config = at(".config/countersign");
  Deno.mkdirSync(at(".local/state/countersign"), { recursive: true });
  const secret = home.write(".ssh/id", "secret");
  home.write(".config/countersign/password", "for the smarthost");
  return [
    ["readAny", secret],
    ["readAny", `${config}/password`],
    ["readAny", "/etc/passwd"],
    ["readAny", "/proc/self/environ"],
    ["readAny", at(".local/state/countersign/../../../.ssh/id")],
    ["writeAny", at(".profile")],
    ["writeAny", at(".qmail")],
    ["writeAny", `${config}/config.toml`],
    ["writeAny", `${config}/config.sandbox`],
    ["writeAny", `${config}/keys`],
    ["writeAny", at("lib/probe.js")],
    ["remove", `${config}/keys`],
    // Through a folder that it may write.
    ["link", [secret, at(".local/state/countersign/link")]],
    ["rename", [secret, at(".local/state/countersign/moved")]],
    ["rename", [`${config}/keys`, at(".local/state/countersign/keys")]],
    ["run", "/bin/sh"],
    ["run", "/usr/bin/env"],
    ["run", Deno.execPath()],
    ["connect", port],
    ["fetch", port],
    ["resolve", "example.org"],
    ["native", "/lib/x86_64-linux-gnu/libc.so.6"],
    ["kill", Deno.pid],
    ["inspect", null],
    ["ask", null],
  ];
}

const SERVICE = '[[doorbell]]\nname = "svc"\naddress = "greg-svc@example.org"\n';

for (const { rights, launcher } of PROGRAMS) {
  Deno.test(`${launcher} has no access to anything that the settings do not name`, async () => {
    using home = new Home();
    home.settings(`${stubTransport(home)}${SERVICE}[incoming]\nspam = "~/Spam"\n`);
    const at = (name: string) => `${home.path}/${name}`;
    const config = at(".config/countersign");
    home.write("Spam/kept", "x");
    home.write("evil.ts", "");
    await using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }) as Deno.TcpListener & AsyncDisposable;
    const { port } = listener.addr;
    const forbidden = outside(home, port);
    // authup and fixsmtpio run the programs in their arguments, by way of a shell.
    const shell = rights === "authup" || rights === "fixsmtpio";
    assert.deepEqual(
      await probe(home, rights, forbidden),
      forbidden.map(([, what]) => shell && what === "/bin/sh" ? "yes" : "no"),
    );
    assert.notEqual((await probe(home, rights, [["load", `http://127.0.0.1:${port}/evil.js`]]))[0], "yes");
    assert.equal(home.read(".ssh/id"), "secret");

    // The clients of serve have a socket, and nothing that the settings name.
    if (CLIENTS.includes(rights)) {
      const path = at("lookup");
      await using server = Deno.listen({ transport: "unix", path }) as Deno.UnixListener & AsyncDisposable;
      void server.accept().then((one) => one.close(), () => {});
      const tried: [string, unknown][] = [
        ["readAny", `${config}/config.toml`],
        ["readAny", `${config}/keys`],
        [
          "writeAny",
          at(".local/state/countersign/log"),
        ],
        ["run", "/usr/bin/printenv"],
        ["connectUnix", at("other")],
        ["connectUnix", path],
      ];
      assert.deepEqual(await probe(home, rights, tried, { COUNTERSIGN_LOOKUP: path }), [
        ...tried.slice(1).map(() => "no"),
        "yes",
      ]);
      return;
    }

    // These know nothing of a user's settings either; verify may read the source in its argument, which is missing
    // here.
    if (shell || rights === "verify") {
      const own = [`${config}/config.toml`, `${config}/keys`, home.write("control/me", "mx.example.org\n")];
      const tried = own.map((path): [string, unknown] => ["readAny", path]);
      const got = await probe(home, rights, tried, { COUNTERSIGN_CONTROL: at("control") });
      assert.deepEqual(got, ["no", "no", shell ? "yes" : "no"]);
      return;
    }

    // The same operations succeed on paths named by the settings, so they were denied because of the path.
    const sends = ["shim", "ofmipd", "doorbell"].includes(rights);
    // A doorbell has keys of its own, and must not read those of an identity, nor the others its keys.
    home.write(".config/countersign/doorbell-keys", "");
    const [own, foreign] = rights === "doorbell" ? ["doorbell-keys", "keys"] : ["keys", "doorbell-keys"];
    const inside: [string, unknown][] = [
      ["readAny", `${config}/config.toml`],
      ["readAny", `${config}/${own}`],
      ["writeAny", at(".local/state/countersign/log")],
      ["remove", at(".local/state/countersign/log")],
      ["run", "/usr/bin/printenv"],
      ...(sends ? [["run", at("stub")]] : [["readAny", at("Spam/kept")], ["remove", at("Spam/kept")]]) as [
        string,
        unknown,
      ][],
    ];
    assert.deepEqual(await probe(home, rights, inside), inside.map(() => "yes"));
    // Each program lacks the permissions of the other.
    const other: [string, unknown] = sends ? ["writeAny", at("Spam/more")] : ["run", at("stub")];
    assert.deepEqual(await probe(home, rights, [other, ["readAny", `${config}/${foreign}`]]), ["no", "no"]);
  });
}

for (const command of ["serve", "submitd"]) {
  Deno.test(`countersign ${command} has no access to anything that the settings do not name`, async () => {
    using home = new Home();
    home.settings(
      `${stubTransport(home)}${SERVICE}[serve]\nsocket_folder = "~/sockets"\n` +
        `[submit]\nauth = "file:${home.path}/users"\ncertificate = "~/tls/cert"\nkey = "~/tls/key"\n`,
    );
    await using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }) as Deno.TcpListener & AsyncDisposable;
    const tried = (tries: [string, unknown][]) => probe(home, "", tries, {}, [command]);
    const forbidden = outside(home, listener.addr.port);
    assert.deepEqual(await tried(forbidden), forbidden.map(() => "no"));

    const at = (name: string) => `${home.path}/${name}`;
    for (const name of ["tls/key", "users", ".config/countersign/doorbell-keys", "sockets/other"]) home.write(name, "");
    const path = at("sockets/door");
    await using server = Deno.listen({ transport: "unix", path }) as Deno.UnixListener & AsyncDisposable;
    void server.accept().then((one) => one.close(), () => {});
    const submits = command === "submitd" ? "yes" : "no";
    const serves = command === "serve" ? "yes" : "no";
    const rows: [string, string, unknown][] = [
      ["yes", "readAny", at(".config/countersign/config.toml")],
      ["yes", "readAny", at(".config/countersign/keys")],
      ["yes", "writeAny", at(".local/state/countersign/log")],
      ["no", "readAny", at(".config/countersign/doorbell-keys")],
      [submits, "readAny", at("tls/key")],
      [submits, "readAny", at("users")],
      ["no", "writeAny", at("users")],
      [submits, "run", at("stub")],
      [serves, "writeAny", at("sockets/other")],
      [serves, "connectUnix", path],
    ];
    assert.deepEqual(
      await tried(rows.map(([, what, thing]) => [what, thing])),
      rows.map(([result]) => result),
    );
  });
}

Deno.test("timingSafeEqual takes the same number of steps wherever the difference is", { permissions: "none" }, () => {
  const right = Uint8Array.from({ length: 16 }, (_, i) => i);
  const steps = new Set<number>();
  for (let at = 0; at <= right.length; at++) {
    const other = right.map((byte, i) => i === at ? byte ^ 1 : byte);
    let reads = 0;
    const counted = new Proxy(other, {
      get: (bytes, name) => {
        if (/^\d+$/.test(String(name))) reads++;
        return Reflect.get(bytes, name, bytes);
      },
    });
    assert.equal(timingSafeEqual(right, counted), at === right.length);
    steps.add(reads);
  }
  assert.deepEqual([...steps], [right.length]);
});

Deno.test("every module that compares MACs uses timingSafeEqual", () => {
  const files = sourceFiles("lib", "outgoing", "incoming", "io", "shim", "hooks", "serve", "submit", "admin");
  const source = (path: string) => Deno.readTextFileSync(`${ROOT}/${path}`);
  const makers = files.filter((path) => /^import [^;]*"[./]*(?:lib\/)?hmac\.ts"/m.test(source(path)));
  // The index of sent mail is searched for a MAC that we compute: a stranger supplies the text, never the MAC. Sealed
  // bodies are verified by AES-GCM in Web Crypto.
  const names = makers.filter((path) => !source(path).includes("timingSafeEqual("));
  // The same holds for the addresses that a doorbell knows.
  assert.deepEqual(names.sort(), ["io/state/doorbell/addresses.ts", "io/state/seal.ts", "io/state/sent.ts"]);
  assert.deepEqual(makers.filter((path) => !names.includes(path)).sort(), [
    "incoming/doorbell/cookie.ts",
    "incoming/proof.ts",
    "io/state/shared/keyed.ts",
    "lib/prvs.ts",
    "lib/srs.ts",
    "lib/tag.ts",
  ]);
});

Deno.test("signed addresses and tags reveal the day and the key ID, and nothing else about when and where they were made", async () => {
  const day = Date.UTC(2026, 10, 20);
  const times = [0, 1, 12 * 3600_000, 86_399_999].map((ms) => new Date(day + ms));
  const nonce = "abcdefgh";
  const at = (now: Date, secret = SECRET) => [
    srsForward("greg@example.org", "srs.example.org", { secrets: [secret], now }),
    prvsSign("greg@example.org", { secret, now }),
    signTag("greg@example.org", "<1@example.org>", { key: "k1", secret, nonce, now }),
  ];
  const first = at(times[0]!);
  for (const now of times) assert.deepEqual(at(now), first, now.toISOString());
  const next = at(new Date(day + 86_400_000));
  for (const [nth, text] of next.entries()) assert.notEqual(text, first[nth]);

  // Besides the MAC they contain the day, the key ID, the address and random characters.
  const [local] = first[0]!.split("@");
  assert.match(local!, /^SRS0=[^=]{4}=[A-Z2-7]{2}=example\.org=greg$/);
  assert.match(first[1]!, /^prvs=\d{4}[0-9a-f]{6}=greg@example\.org$/);
  assert.equal(first[2]!.split(".").slice(0, 4).join("."), `v1.k1.${day / 86_400_000 + 30}.${nonce}`);
  // Tags of two messages of one day have only version, key and day in common.
  const tags = await Promise.all(
    [1, 2].map((id) =>
      signTag("greg@example.org", `<${id}@example.org>`, {
        key: "k1",
        secret: SECRET,
        now: times[0]!,
        nonce: randomNonce(),
      })
    ),
  );
  const [one, two] = tags.map((tag) => tag.split("."));
  assert.deepEqual(one!.map((part, nth) => part === two![nth]), [true, true, true, false, false]);
});

Deno.test("a sent message contains only the added fields, and no name of the machine, user or program", async () => {
  using home = new Home();
  const mail = "From: greg@example.org\nTo: ann@example.net\nSubject: x\n\nHi.\n";
  assert.equal((await home.shim(["-i", "ann@example.net"], mail, { USER: "gregs-login" })).code, 0);
  const [out] = home.mails("out");
  const head = out!.slice(0, out!.indexOf("\n\n"));
  const names = head.split("\n").map((line) => line.slice(0, line.indexOf(":")));
  // The first two are the envelope, which a maildir can only store in the header.
  assert.deepEqual(names, [
    ...["Return-Path", "X-Envelope-To"],
    ...["From", "To", "Subject", "Date", "Message-ID", "X-Msgauth"],
  ]);
  assert.match(fieldOf(out!, "Date"), / \+0000$/, "the time zone is not revealed");
  assert.match(fieldOf(out!, "Message-ID"), /^<[a-z2-7]+@example\.org>$/);
  for (const word of [Deno.hostname(), "gregs-login", home.path, "ountersign"]) {
    assert.ok(word.length < 4 || !out!.toLowerCase().includes(word.toLowerCase()), word);
  }
});
