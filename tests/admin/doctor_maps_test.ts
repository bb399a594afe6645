/** doctor and the sockets policy and map: what they answer, and the keys of forwarded mail. */
import assert from "node:assert/strict";
import type { DoctorContext } from "../../admin/doctor/context.ts";
import { checkMaps } from "../../admin/doctor/maps.ts";
import { loadSettings } from "../../io/system/load.ts";
import { listenAt } from "../../serve/sockets/listen.ts";
import { type Protocol, requestsOf } from "../../serve/sockets/requests.ts";
import { SocketServer } from "../../serve/sockets/server.ts";
import { mapProtocol } from "../../serve/map/maps.ts";
import { policyProtocol } from "../../serve/policy/policy.ts";
import { CREATED, SECRET } from "../rig.ts";
import { EngineHome } from "../serve/engine.ts";

const KEY = `f1 ${CREATED} a secret for forwarded mail only\n`;

function forwarder(): EngineHome {
  const home = new EngineHome(`[forwarding]\ndomain = "fwd.example.net"\n`);
  home.write("forwarding-keys", KEY, 0o640);
  assert.equal(home.engine.reload(), undefined);
  return home;
}

/** Runs the checks. @returns the ids of the findings; those of unreadable files have none */
async function checked(home: EngineHome, now = new Date()): Promise<string[]> {
  const settings = loadSettings(home.source);
  const file = { file: home.source.file, text: home.read("site.toml") };
  const context = { home: home.path, now, file, settings, findings: [], notes: [] } as unknown as DoctorContext;
  await checkMaps(context, settings);
  for (const { what, why, fix } of context.findings) assert.ok(what.length > 9 && why.length > 9 && fix.length > 4);
  return context.findings.map(({ id, what }) => id ?? what);
}

/** Serves a socket with this protocol while `work` runs. */
async function serving<R>(
  home: EngineHome,
  name: string,
  protocol: Protocol<R>,
  work: () => Promise<void>,
): Promise<void> {
  Deno.mkdirSync(`${home.path}/sockets`, { recursive: true });
  const server = new SocketServer(await listenAt(`${home.path}/sockets/${name}`), requestsOf(protocol), () => {});
  try {
    await work();
  } finally {
    await server.close(0);
  }
}

Deno.test("sockets that answer as they should have no findings", async () => {
  using home = forwarder();
  const loaded = () => home.engine.loaded;
  await serving(home, "policy", policyProtocol(loaded), () =>
    serving(home, "map", mapProtocol(loaded), async () => {
      assert.deepEqual(await checked(home), []);
      const refused = home.log().filter((line) => / outcome=refused /.test(line));
      assert.equal(refused.length, 1);
      assert.match(refused[0]!, / probe=doctor /, "it does not count in reports");
      Deno.chmodSync(`${home.path}/sockets/map`, 0o666);
      assert.deepEqual(await checked(home), ["serve-socket-open"]);
    }));
  using plain = new EngineHome();
  assert.deepEqual(await checked(plain), [], "neither socket is used");
});

Deno.test("sockets that are missing, wrong, of another role, or of an engine with other settings", async () => {
  using home = forwarder();
  const loaded = () => home.engine.loaded;
  assert.deepEqual(await checked(home), ["serve-socket-missing"]);
  home.write("sockets/map", "");
  assert.deepEqual(await checked(home), ["serve-socket-wrong"]);
  Deno.removeSync(`${home.path}/sockets/map`);
  await serving(home, "map", policyProtocol(loaded), async () => {
    assert.deepEqual(await checked(home), ["serve-socket-silent"]);
  });
  await serving(home, "map", mapProtocol(loaded), () =>
    serving(home, "policy", mapProtocol(loaded), async () => {
      assert.deepEqual(await checked(home), ["serve-socket-silent"]);
    }));
  using other = new EngineHome("", { forged: "spam" });
  const otherwise = () => other.engine.loaded;
  await serving(
    home,
    "map",
    mapProtocol(otherwise),
    () =>
      serving(home, "policy", policyProtocol(otherwise), async () => {
        assert.deepEqual(await checked(home), ["serve-policy-passes", "serve-map-forwarding"]);
      }),
  );
});

Deno.test("the keys of forwarded mail: missing, open, old, or those of an identity", async () => {
  using home = forwarder();
  await serving(home, "map", mapProtocol(() => home.engine.loaded), async () => {
    Deno.chmodSync(`${home.path}/forwarding-keys`, 0o644);
    assert.deepEqual(await checked(home), ["forwarding-key-unusable"]);
    Deno.removeSync(`${home.path}/forwarding-keys`);
    assert.deepEqual(await checked(home), ["forwarding-key-unusable"]);
    home.write("forwarding-keys", `f1 ${CREATED} greg ${SECRET}\n`, 0o600);
    assert.deepEqual(await checked(home), ["forwarding-key-shared"]);
    home.write("forwarding-keys", KEY, 0o600);
    const later = new Date(Date.parse(CREATED) + 700 * 86_400_000);
    assert.deepEqual(await checked(home, later), ["forwarding-key-old"]);
  });
  home.write("site.toml", home.read("site.toml").replace(/^socket_folder.*$/m, ""));
  assert.deepEqual(await checked(home), ["forwarding-socket"]);
});
