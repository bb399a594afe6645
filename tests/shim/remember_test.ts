import assert from "node:assert/strict";
import { formatAddress, parseAddress } from "../../lib/address.ts";
import { utf8 } from "../../lib/bytes.ts";
import { dayOf } from "../../lib/day.ts";
import { field } from "../../lib/message.ts";
import type { Plan } from "../../shim/plan.ts";
import { remember } from "../../shim/remember.ts";
import { fileLedger } from "../../state/ledger.ts";
import { rememberSent, SENT_DAYS } from "../../state/sent.ts";
import { day, joe, now, settings } from "../challenges.ts";

const plan = (...recipients: string[]): Plan => ({
  handover: { sender: joe.address, recipients: recipients.map(parseAddress), dsn: {} },
  header: [field("From", formatAddress(joe.address)), field("Message-ID", "<1@example.net>")],
  scheme: "plain",
  identity: joe,
  sent: { identities: [joe], messageId: "<1@example.net>", signed: true },
  notes: [],
});

/** Runs with a state folder of its own. */
async function scene(run: (state: string) => Promise<void>): Promise<void> {
  const state = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    await run(state);
  } finally {
    Deno.removeSync(state, { recursive: true });
  }
}
const names = (folder: string) => [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
const lists = async (state: string) => {
  const found = await fileLedger(`${state}/ledger`).find({ messageId: "1@example.net" });
  return found.map(({ entry }) => entry.list).sort();
};

Deno.test("Only mail to lists gets entries, all signed mail is in the index", async () => {
  const good = (given: Plan, challenge: string, expected: string[], sent = 1) =>
    scene(async (state) => {
      const ours = { ...settings(challenge), state };
      assert.equal(await remember(given, utf8("one\n"), true, ours, now), undefined);
      assert.deepEqual(await lists(state), expected);
      assert.equal(sent === 0 ? names(state).length : names(`${state}/sent`).length, sent);
    });
  await good(plan("jo@b.example"), "answer = true", []);
  await good(plan("jo@b.example", "Qmail@list.cr.yp.to"), "answer = true", ["qmail@list.cr.yp.to"]);
  await good(plan("ann@example.org"), "answer = true", ["ann@example.org"]);
  await good(plan("x-subscribe@a.example"), "answer = true", ["x-subscribe@a.example"]);
  await good(plan("x-request@a.example"), "answer = true", []);
  await good(plan("x-request@a.example"), "answer = true\nrequests = true", ["x-request@a.example"]);
  await good(plan("qmail@list.cr.yp.to", "x-subscribe@a.example"), "answer = false\nrequests = true", []);
  const nobodys = { identity: undefined, sent: undefined };
  await good({ ...plan("qmail@list.cr.yp.to"), ...nobodys }, "answer = true", [], 0);
  const unsigned = { identities: [joe], messageId: "<1@example.net>", signed: false };
  await good({ ...plan("qmail@list.cr.yp.to"), sent: unsigned }, "answer = true", []);
  await good({ ...plan("qmail@list.cr.yp.to"), identity: undefined, sent: unsigned }, "answer = true", []);
});

Deno.test("Old days leave the index with the next message, to whomever it goes", async () => {
  for (const [to, challenge] of [["jo@b.example", ""], ["qmail@list.cr.yp.to", "answer = true"]] as const) {
    await scene(async (state) => {
      for (const days of [-90, -60, -29]) await rememberSent(`${state}/sent`, joe, "<0@example.net>", true, day(days));
      await remember(plan(to), utf8(""), true, { ...settings(challenge), state }, now);
      const periods = new Set([day(-29), now].map((one) => String(Math.floor(dayOf(one) / SENT_DAYS))));
      assert.deepEqual(names(`${state}/sent`), [...periods].sort(), to);
    });
  }
});

Deno.test("A few expired entries go with each message to a list", async () => {
  await scene(async (state) => {
    const given = { ...settings(), state };
    for (let nth = 0; nth < 10; nth++) {
      const old = plan("qmail@list.cr.yp.to");
      const header = [field("Message-ID", `<old${nth}@example.net>`)];
      await remember({ ...old, header }, utf8(""), true, given, day(-30));
    }
    assert.equal(names(`${state}/ledger/issued`).length, 10);
    await remember(plan("qmail@list.cr.yp.to"), utf8(""), true, given, now);
    const left = names(`${state}/ledger/issued`).length;
    assert.ok(left < 10 && left > 1, `${left}`);
    for (let nth = 0; nth < 10; nth++) await remember(plan("qmail@list.cr.yp.to"), utf8(""), true, given, now);
    assert.equal(names(`${state}/ledger/issued`).length, 1);
  });
});

Deno.test("What cannot be written is told, and the mail goes on", async () => {
  await scene(async (state) => {
    Deno.writeTextFileSync(`${state}/file`, "");
    const said = await remember(plan("jo@b.example"), utf8(""), true, { ...settings(), state: `${state}/file` }, now);
    assert.match(said ?? "", /\w/);
  });
});
