/**
 * New keys on two hosts with Postfix and `countersign serve` while mail flows: no bounce is rejected, lost or doubled.
 */
import assert from "node:assert/strict";
import { fieldOf, qsbmf, SECRET } from "../rig.ts";
import { needPostfix, smtp, until } from "./postfix.ts";
import { installOnce, isSigned, keyLine, letter, MilterHost } from "./postfix_milter.ts";
import { chown, GREG, LIE } from "./site.ts";

const test = await needPostfix();
const plain = `${GREG}@example.org`;
const WORKERS = 4;

const day = (offset: number): string => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
const K1 = keyLine(GREG);
const k2 = (created: string) => `k2 ${created} second ${SECRET}\n`;

test("keys are rotated on two hosts while mail flows", async () => {
  const installed = await installOnce();
  const state = `${installed.home.path}/state-load`;
  await using first = await MilterHost.start(installed, { state });
  await using second = await MilterHost.start(installed, { state });
  const hosts = [first, second];
  const trouble = () => hosts.map((one) => one.trouble()).join("\n");
  let running = true;
  const used: string[] = [];
  const failed: string[] = [];
  const bounces: string[] = [];

  /** Sends a message by each host in turn, and its bounce to both, once to the signed and once to the plain address. */
  const work = async (worker: number) => {
    for (let nth = 0; running; nth++) {
      const id = `load-${worker}-${nth}`;
      const host = hosts[nth % 2]!;
      const answer = await host.submit(GREG, plain, letter(GREG, id));
      if (!answer.startsWith("250")) {
        failed.push(`${id} ${answer}`);
        continue;
      }
      const accepted = () => host.sink.accepted.filter(({ mail }) => mail.includes(`<${id}@`));
      await until(id, () => accepted().length > 0, trouble);
      const { from, mail } = accepted()[0]!;
      used.push(fieldOf(mail, "X-Msgauth").split(".")[1]!);
      for (const { postfix: { port } } of hosts) {
        const sent = [
          [from, qsbmf(from, LIE.replace("lie@", `signed-${id}-${port}@`)), `signed-${id}-${port}`],
          [plain, qsbmf(plain, mail.replace("Subject: ", `Subject: plain-${id}-${port} `)), `plain-${id}-${port}`],
        ] as const;
        for (const [to, bounce, name] of sent) {
          const answer = await smtp(port, "", to, bounce);
          if (answer.startsWith("250")) bounces.push(name);
          else failed.push(`${name} ${answer}`);
        }
      }
    }
  };
  /** Installs keys on a host, for serve and the hook, and lets mail flow. */
  const install = async (host: MilterHost, text: string) => {
    const path = `${host.site.folder}/${GREG}/.config/countersign/keys`;
    Deno.writeTextFileSync(`${path}.new`, text, { mode: 0o600 });
    chown(GREG, `${path}.new`);
    Deno.renameSync(`${path}.new`, path);
    host.engine.key(GREG, text);
    await host.engine.reload("reloaded");
    const before = used.length;
    await until("traffic", () => used.length >= before + 2 * WORKERS, trouble);
  };

  const workers = Promise.all(Array.from({ length: WORKERS }, (_, nth) => work(nth)));
  for (const created of [day(1), day(0)]) for (const host of hosts) await install(host, K1 + k2(created));
  running = false;
  await workers;
  assert.deepEqual(failed, [], trouble());
  assert.deepEqual([...new Set(used)].sort(), ["k1", "k2"]);
  const mails = () => hosts.flatMap((host) => host.inbox());
  await until("the bounces", () => mails().length >= bounces.length, trouble);
  assert.equal(mails().length, bounces.length);
  for (const mail of mails()) assert.match(fieldOf(mail, "X-Countersign"), /^genuine;/);
  for (const name of bounces) {
    assert.equal(mails().filter((mail) => mail.includes(`${name} `) || mail.includes(`${name}@`)).length, 1, name);
  }
  const sent = hosts.flatMap(({ sink }) => sink.accepted);
  assert.equal(sent.length, used.length, "each message was sent once");
  for (const one of sent.filter(({ mail }) => fieldOf(mail, "X-Msgauth").includes(".k1."))) isSigned(one);
});
