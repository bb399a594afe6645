import assert from "node:assert/strict";
import { formatAddress, parseAddress } from "../../../lib/address.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { field } from "../../../lib/message.ts";
import type { Plan } from "../../../outgoing/plan.ts";
import { remember } from "../../../io/state/remember.ts";
import { fileLedger } from "../../../io/state/ledger.ts";
import { remembersAll } from "../../../io/state/forgotten.ts";
import { rememberIn } from "../../../io/state/stores.ts";
import { joe, now, settings } from "../../challenges.ts";
import { filesBelow, TempFolder } from "../../rig.ts";

const plan = (...recipients: string[]): Plan => ({
  envelope: { sender: joe.address, recipients: recipients.map(parseAddress), dsn: {} },
  header: [field("From", formatAddress(joe.address)), field("Message-ID", "<1@example.net>")],
  scheme: "plain",
  identity: joe,
  sent: { identities: [joe], messageId: "<1@example.net>", signed: true },
  notes: [],
});

/** Runs with a temporary state folder. */
async function withState(run: (state: string) => Promise<void>): Promise<void> {
  using folder = new TempFolder();
  await run(folder.path);
}
const names = (folder: string) => [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
const lists = async (state: string) => {
  const found = await fileLedger(`${state}/ledger`).find({ messageId: "1@example.net" });
  return found.map(({ entry }) => entry.list).sort();
};

Deno.test("Mail to lists gets ledger entries, and all mail of identities is in the index", async () => {
  const good = (given: Plan, challenge: string, expected: string[], sent = 1) =>
    withState(async (state) => {
      const config = { ...settings(challenge), state: { ...settings().state, folder: state } };
      assert.equal(await remember(given, utf8("one\n"), true, config, now), undefined);
      assert.deepEqual(await lists(state), expected);
      assert.equal(sent === 0 ? names(state).length : filesBelow(`${state}/sent`).length, sent);
    });
  await good(plan("jo@b.example"), "answer = true", []);
  await good(plan("jo@b.example", "Qmail@list.cr.yp.to"), "answer = true", ["qmail@list.cr.yp.to"]);
  await good(plan("ann@example.org"), "answer = true", ["ann@example.org"]);
  await good(plan("x-subscribe@a.example"), "answer = true", ["x-subscribe@a.example"]);
  await good(plan("x-request@a.example"), "answer = true", []);
  // The body "one" is not a command to list software, so no challenge can be about it.
  await good(plan("x-request@a.example"), "answer = true\nrequests = true", []);
  await good(plan("x-join@a.example", "x-help@a.example"), "answer = true\nrequests = true", ["x-join@a.example"]);
  await good(plan("qmail@list.cr.yp.to", "x-subscribe@a.example"), "answer = false\nrequests = true", []);
  const ofOthers = { identity: undefined, sent: undefined };
  await good({ ...plan("qmail@list.cr.yp.to"), ...ofOthers }, "answer = true", [], 0);
  const unsigned = { identities: [joe], messageId: "<1@example.net>", signed: false };
  await good({ ...plan("qmail@list.cr.yp.to"), sent: unsigned }, "answer = true", []);
  await good({ ...plan("qmail@list.cr.yp.to"), identity: undefined, sent: unsigned }, "answer = true", []);
});

Deno.test("An unsigned message gets a ledger entry only if it has a pymsgauth token", async () => {
  const token = field("X-pymsgauth-token", "90587d9fd8e756fbb1cc1de91d5ff64933e32b40");
  const unsigned = { identities: [joe], messageId: "<1@example.net>", signed: false };
  const given = { ...plan("qmail@list.cr.yp.to"), sent: unsigned };
  const rows: [header: Plan["header"], folder: string, expected: string[]][] = [
    [[token, ...given.header], "/pymsgauth", ["qmail@list.cr.yp.to"]],
    [[token, ...given.header], "", []],
    [given.header, "/pymsgauth", []],
    [[field("Received", "by x"), token, ...given.header], "/pymsgauth", []],
  ];
  for (const [header, pymsgauth, expected] of rows) {
    await withState(async (state) => {
      const config = settings();
      await remember(
        { ...given, header },
        utf8("one\n"),
        true,
        { ...config, tag: { ...config.tag, pymsgauth }, state: { ...settings().state, folder: state } },
        now,
      );
      assert.deepEqual(await lists(state), expected);
    });
  }
});

Deno.test("A message that cannot be remembered is noted, whoever sends it; a ledger entry that is missing is not", async () => {
  await withState(async (state) => {
    const config = { ...settings("answer = true"), state: { ...settings().state, folder: state } };
    Deno.writeTextFileSync(`${state}/ledger`, "");
    assert.match(
      await remember(plan("qmail@list.cr.yp.to"), utf8(""), true, config, now) ?? "",
      /Ledger cannot be used/,
    );
    assert.equal(remembersAll(state, now), true, "only the challenge is not answered");
    Deno.removeSync(`${state}/sent`, { recursive: true });
    Deno.writeTextFileSync(`${state}/sent`, "");
    await assert.rejects(rememberIn(config, joe, "<1@example.net>", false, now));
    assert.equal(remembersAll(state, now), false);
  });
});

Deno.test("A write error is returned, not thrown, so that the message is sent", async () => {
  await withState(async (state) => {
    Deno.writeTextFileSync(`${state}/file`, "");
    const error = await remember(plan("jo@b.example"), utf8(""), true, {
      ...settings(),
      state: { ...settings().state, folder: `${state}/file` },
    }, now);
    assert.match(error ?? "", /\w/);
  });
});
