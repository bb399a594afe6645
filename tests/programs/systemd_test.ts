/** The units of contrib/systemd: systemd's own checks, and `countersign serve` on sockets that systemd opened. */
import assert from "node:assert/strict";
import { concat } from "../../lib/bytes.ts";
import { printPacket } from "../../serve/milter/packet.ts";
import { CREATED, Home, qsbmf, ROOT, SECRET } from "../rig.ts";
import { message, OFFER, packetsIn, shown } from "../serve/mta.ts";
import { lacking, need, tests } from "./need.ts";
import { Installed } from "./installation.ts";
import { until } from "./postfix.ts";

const UNITS = `${ROOT}/contrib/systemd`;
const test = await need("systemd-analyze", "systemd");
const activated = tests(
  Deno.uid() !== 0 ? "only root can change the user" : await lacking("systemd-socket-activate", "systemd"),
);

/** The units in a temporary folder, with a program that exists. */
function units(): { folder: string; names: string[] } & Disposable {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-units-" });
  const names = [...Deno.readDirSync(UNITS)].map(({ name }) => name).filter((name) =>
    /\.(?:service|socket)$/.test(name)
  );
  for (const name of names) {
    const text = Deno.readTextFileSync(`${UNITS}/${name}`).replace("/usr/local/bin/countersign", "/bin/true");
    Deno.writeTextFileSync(`${folder}/${name}`, text);
  }
  return { folder, names: names.sort(), [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }) };
}

async function analyze(...args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", { args }).output();
  return { code, text: new TextDecoder().decode(concat(stdout, stderr)) };
}

test("systemd accepts the units", async () => {
  using there = units();
  assert.deepEqual(there.names, [
    "countersign-door.socket",
    "countersign-lookup.socket",
    "countersign-map.socket",
    "countersign-policy.socket",
    "countersign-sign.socket",
    "countersign.service",
  ]);
  for (const name of there.names) {
    assert.deepEqual(await analyze("verify", "--man=no", `${there.folder}/${name}`), { code: 0, text: "" }, name);
  }
});

test("the exposure of the service is below 1.0, without MemoryDenyWriteExecute, which would kill Deno", async () => {
  using there = units();
  const unit = `${there.folder}/countersign.service`;
  const { code, text } = await analyze("security", "--offline=true", "--no-pager", "--threshold=10", unit);
  assert.equal(code, 0, text);
  assert.match(text, /Overall exposure level for countersign\.service: 0\.\d/);
  assert.match(text, /✗ MemoryDenyWriteExecute=/);
});

test("the names of the sockets, and the service that they start", () => {
  for (const name of ["door", "sign", "lookup", "policy", "map"]) {
    const text = Deno.readTextFileSync(`${UNITS}/countersign-${name}.socket`);
    for (const line of [`FileDescriptorName=${name}`, "Service=countersign.service", "SocketMode=0660"]) {
      assert.ok(text.split("\n").includes(line), `${name}: ${line}`);
    }
  }
});

/** The user of the service, who owns only the state, the user of the mail server, and another user. */
const [SERVICE, SERVER, OTHER] = ["proxy", "mail", "games"];

activated("serve uses the sockets of systemd as a user who can only read the keys", async () => {
  using installed = await Installed.make();
  using home = new Home();
  Deno.chmodSync(home.path, 0o755);
  const site = `${home.path}/site`;
  const run = (...argv: string[]) => home.run(argv);
  const done = async (...argv: string[]) => assert.equal((await run(...argv)).code, 0, argv.join(" "));
  for (const folder of ["keys", "state", "sockets"]) Deno.mkdirSync(`${site}/${folder}`, { recursive: true });
  home.write("site/keys/greg", `k1 ${CREATED} greg ${SECRET}\n`, 0o640);
  const config = Deno.readTextFileSync(`${UNITS}/config.toml`)
    .replaceAll("/etc/countersign", site)
    .replaceAll("/var/lib/countersign", `${site}/state`)
    .replaceAll("/var/spool/postfix/countersign", `${site}/sockets`);
  home.write("site/config.toml", config.replace("[state]\n", "[state]\nshared = true\n"), 0o640);
  for (const path of ["keys", "keys/greg", "config.toml"]) await done("chgrp", SERVICE, `${site}/${path}`);
  Deno.removeSync(`${site}/config.sandbox`);
  await done(`${installed.prefix}/bin/countersign`, "sandbox", "--config", `${site}/config.toml`);
  Deno.chmodSync(`${site}/keys`, 0o750);
  await done("chown", `${SERVICE}:`, `${site}/state`);

  const sockets = ["door", "sign", "policy", "map"].map((name) => `${site}/sockets/${name}`);
  const as = (user: string) => ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--no-new-privs"];
  const child = new Deno.Command("systemd-socket-activate", {
    args: [
      ...sockets.map((path) => `--listen=${path}`),
      "--fdname=door:sign:policy:map",
      `--setenv=HOME=${site}/state`,
      `--setenv=PATH=/usr/bin:/bin`,
      ...as(SERVICE),
      `${installed.prefix}/bin/countersign`,
      "serve",
      "--config",
      `${site}/config.toml`,
    ],
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let stderr = "";
  const read = (async () => {
    for await (const chunk of child.stderr) stderr += new TextDecoder().decode(chunk);
  })();
  try {
    await until("the sockets", () => sockets.every((path) => isThere(path)), () => stderr);
    for (const path of sockets) {
      await done("chown", `root:${SERVER}`, path);
      Deno.chmodSync(path, 0o660);
    }
    // The first connection starts the service.
    const forged = qsbmf("greg@example.org", "From: greg@example.org\nMessage-ID: <lie@spam.example>\n\nBuy!\n");
    const refused = await talk(sockets[0]!, message("", ["greg@example.org"], forged));
    assert.match(refused.at(-1) ?? "nothing", /^y550-5\.7\.1 /, stderr);
    assert.match(stderr, /Listening on door \(descriptor 3\) and sign \(descriptor 4\) and policy \(descriptor 5\)/);
    const mail = "From: greg@example.org\nMessage-ID: <1@example.org>\nDate: today\n\nHi\n";
    const signed = await talk(sockets[1]!, message("greg@example.org", ["jo@b.example"], mail, { login: "greg" }));
    assert.match(signed.join("\n"), /e<SRS0=[^\n]*\n(?:.*\n)*.*X-Msgauth/);
    const recipient = "recipient=info@srs.example.org";
    const policy = `request=smtpd_access_policy\nprotocol_state=RCPT\nsender=\n${recipient}\n\n`;
    assert.match(await ask(sockets[2]!, policy), /^action=550 5\.1\.1 No such address; Contact: /);
    assert.match(await ask(sockets[3]!, "38:srs-reverse postmaster@srs.example.org,"), /^\d+:OK greg@example\.org,$/);
    const long = await talk(sockets[0]!, message("", ["greg@example.org"], forged + "words\n".repeat(60_000)));
    assert.equal(long.at(-1), "a", "a truncated message is not rejected");
    assert.match(home.read("site/state/log"), / at=data .* outcome=refused /);
    assert.equal(Deno.statSync(`${site}/state/log`).uid, Number((await run("id", "-u", SERVICE)).stdout));

    // The user of the mail server can use the socket but not read the key; others can do neither.
    const deno = `${installed.prefix}/lib/countersign/deno`;
    const script = `const c = await Deno.connect({ transport: "unix", path: Deno.args[0] }); c.close();`;
    const connects = home.write("connect.js", script);
    for (const [user, may] of [[SERVER, true], [OTHER, false]] as const) {
      const ran = await home.run([...as(user), deno, "run", "-A", "--no-config", connects, sockets[1]!], "", {
        DENO_DIR: "/dev/null/deno",
      });
      assert.equal(ran.code === 0, may, `${user}: ${ran.stderr}`);
      assert.notEqual((await run(...as(user), "cat", `${site}/keys/greg`)).code, 0, user);
    }

    child.kill("SIGHUP");
    await until("the reload", () => /Settings reloaded/.test(stderr), () => stderr);
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0, stderr);
    assert.ok(sockets.every(isThere), "the sockets belong to systemd");
  } finally {
    try {
      child.kill("SIGTERM");
    } catch {
      // The process has already exited.
    }
    await child.status;
    await read;
  }
});

function isThere(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket === true;
  } catch {
    return false;
  }
}

/** Sends a request. @returns the answer */
async function ask(path: string, request: string): Promise<string> {
  using connection = await Deno.connect({ transport: "unix", path });
  await connection.write(new TextEncoder().encode(request));
  const buffer = new Uint8Array(4096);
  return new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
}

/** Sends a message in a session of its own. @returns the responses */
async function talk(path: string, packets: Uint8Array[]): Promise<string[]> {
  using connection = await Deno.connect({ transport: "unix", path });
  const bytes = concat(printPacket("O", OFFER), ...packets, printPacket("Q"));
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (let size; (size = await connection.read(buffer).catch(() => null)) !== null;) parts.push(buffer.slice(0, size));
  return packetsIn(concat(...parts)).map(shown);
}
