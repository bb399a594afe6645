/**
 * New keys on two hosts with Postfix and `countersign serve` that share their state, during mail traffic: each key
 * verifies on both hosts before it signs on either, so no genuine bounce is rejected.
 */
import assert from "node:assert/strict";
import { fieldOf, qsbmf, SECRET } from "../rig.ts";
import { needPostfix, smtp, until } from "./postfix.ts";
import { installOnce, keyLine, letter, MilterHost } from "./postfix_milter.ts";
import { chown, GREG, LIE, srs } from "./site.ts";

const test = await needPostfix();
const plain = `${GREG}@example.org`;

const day = (offset: number): string => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
const K1 = keyLine(GREG);
const k2 = (created: string) => `k2 ${created} second ${SECRET}\n`;

test("key rotation on two hosts: no genuine bounce is rejected", async (t) => {
  const installed = await installOnce();
  const state = `${installed.home.path}/state`;
  await using first = await MilterHost.start(installed, { state });
  await using second = await MilterHost.start(installed, { state });
  const hosts = [first, second];

  /** Installs a key file on a host, for serve and for the hook after it. */
  const install = async (host: MilterHost, text: string) => {
    const path = `${host.site.folder}/${GREG}/.config/countersign/keys`;
    Deno.writeTextFileSync(path, text);
    chown(GREG, path);
    host.engine.key(GREG, text);
    await host.engine.reload("reloaded");
  };
  let sent = 0;
  let delivered = 0;
  /** Fails unless each host accepts bounces of the mail of both, to the signed and to the plain address. */
  const round = async (...keys: string[]) => {
    const used: string[] = [];
    for (const host of hosts) {
      const before = host.sink.accepted.length;
      const ids = [1, 2].map(() => `rotation-${sent++}`);
      for (const answer of await Promise.all(ids.map((id) => host.submit(GREG, plain, letter(GREG, id))))) {
        assert.match(answer, /^250/, host.trouble());
      }
      await host.sent(before + 2);
      for (const { from, mail } of host.sink.accepted.slice(before)) {
        used.push(fieldOf(mail, "X-Msgauth").split(".")[1]!);
        const answers = await Promise.all(hosts.flatMap(({ postfix: { port } }) => [
          smtp(port, "", from, qsbmf(from, LIE)),
          smtp(port, "", plain, qsbmf(plain, mail)),
        ]));
        for (const answer of answers) assert.match(answer, /^250/, hosts.map((one) => one.trouble()).join("\n"));
        delivered += 4;
      }
    }
    assert.deepEqual([...new Set(used)].sort(), keys);
    const mails = () => hosts.flatMap((host) => host.inbox());
    await until("the bounces", () => mails().length === delivered, () => hosts.map((one) => one.trouble()).join("\n"));
    for (const mail of mails()) assert.match(fieldOf(mail, "X-Countersign"), /^genuine;/);
  };

  await t.step("a key for a later day is on both hosts, and does not sign yet", async () => {
    await install(first, K1 + k2(day(1)));
    await round("k1");
    await install(second, K1 + k2(day(1)));
    await round("k1");
  });

  await t.step("its day begins on the host whose clock is ahead, and the other host already verifies it", async () => {
    await install(first, K1 + k2(day(0)));
    await round("k1", "k2");
  });

  await t.step("its day has begun on both hosts", async () => {
    await install(second, K1 + k2(day(0)));
    await round("k2");
  });

  await t.step("a host without the key would reject genuine bounces", async () => {
    await install(second, K1);
    const address = srs(GREG, new Date(), `second ${SECRET}`);
    assert.match(await smtp(second.postfix.port, "", address, qsbmf("x", LIE)), /^550-5\.1\.1 /);
    assert.match(await smtp(first.postfix.port, "", address, qsbmf("x", LIE)), /^250/);
  });
});
