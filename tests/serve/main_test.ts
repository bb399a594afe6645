/** `countersign serve` as a program: options, signals, reloads, and settings that cannot be used. */
import assert from "node:assert/strict";
import { concat } from "../../lib/bytes.ts";
import { permissions, printSandbox } from "../../lib/settings/sandbox.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { sandboxFile } from "../../lib/paths.ts";
import { netstring } from "../../serve/map/netstring.ts";
import { printPacket } from "../../serve/milter/packet.ts";
import { CREATED, qsbmf, type Ran, SECRET } from "../rig.ts";
import { EngineHome } from "./engine.ts";
import { message, OFFER, packetsIn, shown } from "./mta.ts";
import { countersignLauncher, ServeProcess } from "./process.ts";

const PLAIN = "greg@example.org";
const FORGED = qsbmf(PLAIN, "From: greg@example.org\nMessage-ID: <lie@spam.example>\n\nBuy!\n");

/** Writes the sandbox file as `countersign sandbox` does, so that each test shows that its permissions suffice. */
function confine(home: EngineHome): void {
  const { source } = home;
  const settings = parseConfig(home.read("site.toml"), source);
  home.write("site.sandbox", printSandbox(permissions(settings, source), []));
  assert.equal(sandboxFile(source.file), `${home.path}/site.sandbox`);
}

const run = (home: EngineHome, ...args: string[]): Promise<Ran> =>
  home.run([countersignLauncher(home), "serve", ...args]);

/** A running server. */
class Running extends ServeProcess {
  constructor(home: EngineHome) {
    home.write("sockets/.keep", "");
    confine(home);
    super(home, countersignLauncher(home), home.source.file);
  }

  async until(what: RegExp): Promise<void> {
    for (let tries = 0; tries < 600 && !what.test(this.stderr); tries++) {
      await new Promise((next) => setTimeout(next, 50));
    }
    assert.match(this.stderr, what);
  }

  /** Sends packets and reads this many responses, or to the end of the connection. */
  async talk(connection: Deno.Conn, packets: Uint8Array[], count: number): Promise<string[]> {
    // Even a write of zero bytes fails on a connection that the server has closed.
    if (packets.length > 0) await connection.write(concat(...packets));
    const parts: Uint8Array[] = [];
    const buffer = new Uint8Array(4096);
    for (;;) {
      try {
        const packets = packetsIn(concat(...parts));
        if (packets.length >= count) return packets.map(shown);
      } catch {
        // The last packet is still incomplete.
      }
      const size = await connection.read(buffer);
      if (size === null) return packetsIn(concat(...parts)).map(shown);
      parts.push(buffer.slice(0, size));
    }
  }

  connect(role: string): Promise<Deno.UnixConn> {
    return Deno.connect({ transport: "unix", path: `${this.home.path}/sockets/${role}` });
  }
}

Deno.test("serve: settings reload, invalid ones are not used, and SIGTERM waits for messages in transit", async () => {
  using home = new EngineHome();
  await using engine = new Running(home);
  await engine.until(/Listening on .*\/sockets\/door and .*\/sockets\/sign/);
  const bounce = [printPacket("O", OFFER), ...message("", [PLAIN], FORGED)];
  const verdict = async () => {
    using connection = await engine.connect("door");
    return (await engine.talk(connection, bounce, 4)).at(-1)!;
  };
  assert.match(await verdict(), /^y550 5\.7\.1 /);

  home.configure("", { forged: "mark" });
  engine.kill("SIGHUP");
  await engine.until(/Settings reloaded/);
  assert.equal(await verdict(), "a");
  home.configure("nonsense = 1");
  engine.kill("SIGHUP");
  await engine.until(/Settings not reloaded, the previous ones remain in use: .*site\.toml:\d+: .*nonsense/);
  assert.equal(await verdict(), "a");
  assert.equal(home.log().filter((line) => line.startsWith("at=serve ")).length, 2);

  using busy = await engine.connect("sign");
  using idle = await engine.connect("door");
  const mail = message(PLAIN, ["jo@b.example"], `From: ${PLAIN}\nMessage-ID: <1@example.org>\n\nHi\n`, {
    login: "greg",
  });
  await engine.talk(idle, [printPacket("O", OFFER)], 1);
  await engine.talk(busy, [printPacket("O", OFFER), ...mail.slice(0, 4)], 2);
  engine.kill("SIGTERM");
  assert.deepEqual(await engine.talk(idle, [], 1), []);
  const rest = await engine.talk(busy, mail.slice(4), 6);
  assert.equal(rest.at(-1), "a");
  assert.equal(rest[2]![0], "e");
  assert.equal(await engine.ended(), 0);
  await assert.rejects(engine.connect("door"));
});

Deno.test("serve: a forwarding key that the sandbox does not permit needs a restart, and defers nothing until then", async () => {
  using home = new EngineHome();
  await using engine = new Running(home);
  await engine.until(/Listening on .*\/sockets\/policy and .*\/sockets\/map/);
  const ask = async (request: string): Promise<string> => {
    using connection = await engine.connect("map");
    await connection.write(netstring(request));
    const buffer = new Uint8Array(256);
    return new TextDecoder().decode(buffer.subarray(0, await connection.read(buffer) ?? 0));
  };
  home.write("forwarding-keys", `f1 ${CREATED} a secret for forwarded mail only\n`, 0o600);
  home.configure(`[forwarding]\ndomain = "fwd.example.net"`);
  engine.kill("SIGHUP");
  await engine.until(/Settings not reloaded, .*: forwarding\.keys was changed, which requires a restart/);
  assert.equal(await ask("srs-forward jo@b.example"), "9:NOTFOUND ,");
  engine.kill("SIGTERM");
  assert.equal(await engine.ended(), 0);
  await using again = new Running(home);
  await again.until(/Listening on/);
  assert.match(await ask("srs-forward jo@b.example"), /^\d+:OK SRS0=/);
});

Deno.test("serve: the keys of a new identity need a restart, and do not keep the door from judging its domain until then", async () => {
  using home = new EngineHome();
  const lost = "SRS0=AAAAAAAA=AA=example.org=greg@srs.example.org";
  const bob = '[[identity]]\naddress = "bob@example.org"\nsrs_domain = "srs.example.org"\nkeys = "keys/bob"\n';
  const door = async (engine: Running) => {
    using connection = await engine.connect("door");
    return (await engine.talk(connection, [printPacket("O", OFFER), ...message("", [lost])], 2)).at(-1)!;
  };
  await using engine = new Running(home);
  await engine.until(/Listening on/);
  home.write("keys/bob", `k1 ${CREATED} bob ${SECRET}\n`, 0o600);
  home.write("site.toml", `${bob}${home.read("site.toml")}`);
  engine.kill("SIGHUP");
  await engine.until(
    /not reloaded, .*\/keys\/bob: identity\.keys was changed, which requires a restart: countersign sa/,
  );
  assert.match(await door(engine), /^y550 5\.1\.1 /);
  engine.kill("SIGTERM");
  assert.equal(await engine.ended(), 0);
  await using again = new Running(home);
  await again.until(/Listening on/);
  assert.match(await door(again), /^y550 5\.1\.1 /);
});

Deno.test("serve: with the sandbox file of an earlier version it says what to run; a running one is not affected", async () => {
  using home = new EngineHome();
  await using running = new Running(home);
  await running.until(/Listening on/);
  const earlier = home.read("site.sandbox").split("\n").filter((line) => !/sockets\/(?:policy|map)$/.test(line));
  home.write("site.sandbox", earlier.join("\n"));
  running.kill("SIGHUP");
  await running.until(/Settings reloaded/);
  const { length } = await running.talk(await running.connect("door"), [printPacket("O", OFFER)], 1);
  assert.equal(length, 1);
  running.kill("SIGTERM");
  assert.equal(await running.ended(), 0);
  const { code, stderr } = await run(home, "--config", home.source.file);
  assert.equal(code, 78);
  assert.match(
    stderr,
    /^serve: Socket .*\/policy cannot be created: net access .* is not permitted: countersign sandbox\n$/,
  );
});

Deno.test("serve: without permissions in the sandbox file it does not start, also with the sockets of systemd", async () => {
  using home = new EngineHome();
  home.write("sockets/.keep", "");
  confine(home);
  const none = home.read("site.sandbox").split("\n").filter((line) => !line.startsWith("serve "));
  home.write("site.sandbox", none.join("\n"));
  const { code, stderr } = await run(home, "--config", home.source.file);
  assert.equal(code, 78);
  assert.equal(stderr, "serve: The sandbox file does not permit writing state.folder: countersign sandbox\n");
});

Deno.test("serve: exit statuses and messages for invalid options and settings", async (t) => {
  const rows: [string, (home: EngineHome) => string[], number, RegExp][] = [
    ["no settings", (home) => ["--config", `${home.path}/none.toml`], 78, /none\.toml/],
    ["an unknown option", () => ["--frob"], 64, /Unknown option "--frob": see countersign help serve/],
    ["an argument", (home) => ["--config", home.source.file, "x"], 64, /Unknown argument "x"/],
    ["no value", () => ["--config"], 64, /Option --config needs a value/],
    [
      "no socket folder",
      (home) => {
        home.write("site.toml", home.read("site.toml").replace(/^socket_folder.*/m, ""));
        return ["--config", home.source.file];
      },
      78,
      /serve\.socket_folder is not set/,
    ],
    ["a folder that is missing", (home) => ["--config", home.source.file], 78, /Socket .*sockets\/door/],
    [
      "no readable key",
      (home) => {
        for (const user of ["greg", "ann"]) home.write(`keys/${user}`, `k1 2026-01-01 ${SECRET}\n`, 0o644);
        return ["--config", home.source.file];
      },
      78,
      /No key file can be read/,
    ],
  ];
  for (const [what, prepare, code, pattern] of rows) {
    await t.step(what, async () => {
      using home = new EngineHome();
      const args = prepare(home);
      if (what !== "no settings") confine(home);
      const ran = await run(home, ...args);
      assert.deepEqual([ran.code, ran.stdout], [code, ""], ran.stderr);
      assert.match(ran.stderr, pattern);
    });
  }
});

Deno.test("serve --help", async () => {
  using home = new EngineHome();
  const ran = await run(home, "--help");
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  assert.match(ran.stdout, /^Usage: countersign serve/);
});

Deno.test("the launcher passes V8 flags for a small heap to serve only", async () => {
  using home = new EngineHome();
  Deno.removeSync(`${home.path}/bin/deno`);
  home.write("bin/deno", '#!/bin/sh\necho "$@"\n', 0o755);
  for (const [command, given] of [["serve", true], ["doctor", false]] as const) {
    const { stdout } = await home.run([countersignLauncher(home), command]);
    assert.equal(/ --v8-flags=\S*--max-semi-space-size=4,\S*--single-threaded-gc /.test(stdout), given, stdout);
  }
});
