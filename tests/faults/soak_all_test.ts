/** A short soak over all doors; `deno task soak all` runs the long one. */
import assert from "node:assert/strict";
import { lacking } from "../programs/need.ts";
import { Installed } from "../programs/installation.ts";
import { needPostfix } from "../programs/postfix.ts";
import { isGood, soakAll } from "./soak_all.ts";
import { type Found, tally } from "./soak/tally.ts";
import { bounce, letter, type Mail } from "./soak/mail.ts";

await lacking("redis-server");
const test = await needPostfix("redis-server");

test("all doors while programs are killed: nothing is lost, misfiled, signed for the wrong person or run twice", async () => {
  using installed = await Installed.make();
  const seed = 20261128;
  const faults = ["serve killed", "Postfix killed", "submitd killed", "Redis killed", "disk of the users full"];
  let written = "";
  const figures = await soakAll(installed, {
    messages: 60,
    seed,
    redis: true,
    gap: 300,
    faults,
    workers: 4,
    evidence: (text) => written = text,
  });
  assert.ok(isGood(figures), `seed ${seed}\n${JSON.stringify(figures, null, 2)}\n${written.slice(-20_000)}`);
  const { own = 0, forged = 0, genuine = 0 } = figures.messages;
  assert.ok(own > 0 && forged > 0 && genuine > 0, JSON.stringify(figures.messages));
  assert.ok(
    figures.faults["key for tomorrow"] === 1 && Object.keys(figures.faults).length > 4,
    JSON.stringify(figures),
  );
});

/** A tally of one message, found like this. */
function one(mail: Partial<Mail>, found: Partial<Found>) {
  const whole = {
    id: 1,
    kind: "own",
    user: "news",
    way: "shim",
    fate: "read",
    begun: 0,
    unknown: 0,
    result: "accepted",
  };
  const nothing = { sent: [], inbox: [], spam: [], runs: [], held: [], postfix: "", logs: "", history: [] };
  const { doubled: _doubled, allowed: _allowed, ...lists } = tally([{ ...whole, ...mail } as Mail], {
    ...nothing,
    ...found,
  });
  return Object.entries(lists).filter(([, list]) => list.length > 0).map(([name]) => name);
}

const sent = (from: string, mail: string) => ({
  from,
  fromParameters: "",
  to: ["read-1@far.example"],
  toParameters: [],
  data: "",
  mail,
});

Deno.test("the soak notices each kind of failure", () => {
  const own = letter(1, "news@example.org", "read-1@far.example");
  const forged = bounce(1, "news@example.org");
  const failed = (why: string) =>
    `id=<soak.7.@example.org> forgotten="/l: Request to countersign serve failed: ${why}"`;
  const [unreached, full] = ["Permission denied", "The state cannot be used: No space left"].map(failed);
  const rows: [mail: Partial<Mail>, found: Partial<Found>, wanted: string[]][] = [
    [{}, {}, ["lost"]],
    [{}, { sent: [sent("news@example.org", own)] }, ["wronglySigned"]],
    [{}, { sent: [sent("news@example.org", own), sent("news@example.org", own)] }, ["wronglySigned", "wrong"]],
    [{}, { sent: [sent("news@example.org", own.slice(0, -4))] }, ["wronglySigned", "wrong"]],
    [{ kind: "impostor" }, { sent: [sent("news@example.org", own)] }, []],
    [{ kind: "impostor" }, { sent: [sent("news@example.org", `X-Msgauth: v1\n${own}`)] }, ["wronglySigned"]],
    [{ kind: "forged" }, { inbox: [forged] }, ["misfiled"]],
    [{ kind: "forged" }, { spam: [forged] }, []],
    [{ kind: "forged" }, {}, ["lost"]],
    [{ kind: "genuine" }, { spam: [forged] }, ["misfiled"]],
    [{ kind: "genuine" }, { inbox: [forged] }, []],
    [{ kind: "genuine", result: "550 No" }, {}, ["misfiled"]],
    [{ kind: "genuine", way: "named", about: { id: 7 } as Mail, result: "550 No" }, { logs: unreached! }, []],
    [{ kind: "genuine", way: "named", about: { id: 7 } as Mail, result: "550 No" }, { logs: full! }, ["misfiled"]],
    [{ kind: "ordinary" }, {}, ["lost"]],
    [{ kind: "request" }, {}, ["lost"]],
    [{ kind: "request" }, { held: [`X-Doorbell: {}\n${own}`] }, []],
    [{ kind: "request" }, { held: [`X-Doorbell: {}\n${own}`], runs: ["soak.1."] }, ["wrong"]],
    [{}, { sent: [], inbox: ["Subject: empty\n\n"] }, ["lost", "wrong"]],
  ];
  for (const [mail, found, wanted] of rows) {
    assert.deepEqual(one(mail, found).sort(), wanted.sort(), JSON.stringify({ mail, found }));
  }
});
