import assert from "node:assert/strict";
import { fileStore } from "../../../../io/state/shared/files.ts";
import { findSent, keyedLedger, rememberKeyed } from "../../../../io/state/shared/keyed.ts";
import type { SharedStore } from "../../../../io/state/shared/store.ts";
import type { StoredEntry } from "../../../../io/state/entry_files.ts";
import { openBody, sealedEntry } from "../../../../io/state/seal.ts";
import { parseAddress } from "../../../../lib/address.ts";
import { decodeLatin1, utf8 } from "../../../../lib/bytes.ts";
import { dayOf } from "../../../../lib/date.ts";
import { field } from "../../../../lib/message.ts";
import type { Identity } from "../../../../lib/settings/identity.ts";
import { chair, day, joe, now } from "../../../challenges.ts";
import { filesBelow } from "../../../rig.ts";

const LIST = "test@lists.example.org";

/** Runs with a store in files, which tests can read as the store's operator could. */
async function withStore(run: (store: SharedStore, folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-" });
  try {
    await run(fileStore(folder), folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The entry for a message of this identity. */
async function entryOf(identity: Identity, messageId = "1@example.net", list = LIST) {
  const header = [field("Message-ID", `<${messageId}>`), field("Subject", "A secret subject")];
  const message = { identity, recipients: [parseAddress(list)], header, body: utf8("A secret body\n"), whole: true };
  return (await sealedEntry(parseAddress(list), message, now))!;
}

/** Returns the identity with a newer key. */
const renewed = (identity: Identity): Identity => ({
  ...identity,
  keys: [{ id: "k2", created: dayOf(day(-1)), secret: utf8("another secret, for tests only") }, ...identity.keys],
});

Deno.test("the sender finds an entry by Message-ID with its body, and by list without it", async () => {
  await withStore(async (store) => {
    const ledger = keyedLedger(store);
    const entry = await entryOf(joe);
    await ledger.issue(entry, joe);
    const [found, ...more] = await ledger.find({ messageId: entry.messageId }, [chair, joe]);
    assert.deepEqual([found!.entry, found!.state, more], [entry, "issued", []]);
    assert.equal(await openBody(found!.entry, joe, now), "A secret body\n");
    const [byList] = await ledger.find({ list: LIST.toUpperCase() }, [joe]);
    assert.deepEqual(byList, { ...found, entry: { ...entry, body: { ...entry.body, sealed: "" } } });
    assert.deepEqual(await ledger.find({ messageId: entry.messageId }, [chair]), []);
    assert.deepEqual(await ledger.find({ messageId: entry.messageId }, []), []);
    assert.deepEqual(await ledger.find({ messageId: "2@example.net" }, [joe]), []);
    assert.deepEqual(await ledger.find({ list: "other@lists.example.org" }, [joe]), []);

    const claim = await ledger.claim(found!.name);
    await ledger.settle(claim!, "spent");
    assert.equal((await ledger.find({ messageId: entry.messageId }, [joe]))[0]!.state, "spent");
  });
});

Deno.test("after a key rotation, an entry is found under the old key and not issued again", async () => {
  await withStore(async (store) => {
    const ledger = keyedLedger(store);
    await ledger.issue(await entryOf(joe), joe);
    const later = renewed(joe);
    await ledger.issue(await entryOf(later), later);
    assert.equal((await ledger.find({ messageId: "1@example.net" }, [later])).length, 1);
    await ledger.issue(await entryOf(later, "2@example.net"), later);
    assert.equal((await ledger.find({ list: LIST }, [later])).length, 2);
    assert.equal((await ledger.find({ list: LIST }, [joe])).length, 1, "a host without the new key");
  });
});

Deno.test("sent mail is found by its sender only", async () => {
  await withStore(async (store) => {
    await rememberKeyed(store, joe, "<1@example.net>", true, day(-2));
    await rememberKeyed(store, joe, "<2@example.net>", false, day(-5));
    await rememberKeyed(store, joe, "<3@example.net>", false, day(-30));
    const find = (...ids: string[]) => findSent(store, joe, ids, now);
    assert.deepEqual(await find("1@example.net"), { day: dayOf(day(-2)), signed: true });
    assert.deepEqual(await find("2@example.net", "1@example.net"), { day: dayOf(day(-2)), signed: false });
    assert.equal(await find("3@example.net"), undefined);
    assert.equal(await find(), undefined);
    assert.equal(await findSent(store, chair, ["1@example.net"], now), undefined);
    assert.equal((await findSent(store, renewed(joe), ["1@example.net"], now))?.signed, true);
  });
});

Deno.test("before the day of a new key, hosts without it find mail that hosts with it send", async () => {
  const ahead: Identity = {
    ...joe,
    keys: [{ id: "k2", created: dayOf(day(5)), secret: utf8("another secret, for tests only") }, ...joe.keys],
  };
  await withStore(async (store) => {
    await rememberKeyed(store, ahead, "<1@example.net>", true, now);
    await keyedLedger(store).issue(await entryOf(ahead), ahead);
    assert.equal((await findSent(store, joe, ["1@example.net"], now))?.signed, true);
    assert.equal((await keyedLedger(store).find({ messageId: "1@example.net" }, [joe])).length, 1);
    await rememberKeyed(store, ahead, "<2@example.net>", true, day(5));
    assert.equal(await findSent(store, joe, ["2@example.net"], day(5)), undefined);
    assert.equal((await findSent(store, ahead, ["2@example.net"], day(5)))?.signed, true);
  });
});

Deno.test("the store's operator learns no addresses, Message-IDs or text", async () => {
  await withStore(async (store, folder) => {
    const entry = await entryOf(joe);
    await keyedLedger(store).issue(entry, joe);
    await rememberKeyed(store, joe, "<1@example.net>", true, now);
    const all = filesBelow(folder).map((path) => `${path}\n${decodeLatin1(Deno.readFileSync(path))}`).join("\n");
    for (const text of ["example.net", "joe@", LIST, "secret", ...entry.fields]) assert.ok(!all.includes(text), text);
    // The names cannot be computed from guessed addresses without the key.
    const plain = filesBelow(folder).map((path) => path.split("/").at(-1)!);
    const { listDigest, messageDigest } = await import("../../../../lib/entry.ts");
    for (const name of [listDigest(LIST), messageDigest("1@example.net")]) assert.ok(!plain.includes(name));
  });
});

Deno.test("an entry that was forged, changed or stored under another name is rejected", async () => {
  const entries: StoredEntry[] = [];
  const store = { entries: () => Promise.resolve(entries) } as unknown as SharedStore;
  await withStore(async (real) => {
    const ledger = keyedLedger(real);
    await ledger.issue(await entryOf(joe), joe);
    await ledger.issue(await entryOf(joe, "2@example.net"), joe);
    await ledger.issue(await entryOf(chair), chair);
    const stored = async (messageId: string, who: Identity): Promise<StoredEntry> => {
      const [{ name }] = await ledger.find({ messageId }, [who]) as unknown as [{ name: string }];
      return (await real.entries({ messages: [name.split("-")[0]!] }))[0]!;
    };
    const [one, two, other] = [
      await stored("1@example.net", joe),
      await stored("2@example.net", joe),
      await stored("1@example.net", chair),
    ];
    const rows: [what: string, text: string][] = [
      ["an empty text", ""],
      ["text that is not encrypted", JSON.stringify(await entryOf(joe))],
      ["a changed text", `${one.text.slice(0, 40)}${one.text[40] === "A" ? "B" : "A"}${one.text.slice(41)}`],
      ["the text of another message", two.text],
      ["the text of another identity", other.text],
      ["the body of another message", `${one.text.split("\n")[0]}\n${two.text.split("\n")[1]}\n`],
    ];
    const find = () => keyedLedger(store).find({ messageId: "1@example.net" }, [joe]);
    entries.push(one);
    assert.equal((await find()).length, 1);
    for (const [what, text] of rows) {
      entries.splice(0, 1, { ...one, text });
      assert.deepEqual(await find(), [], what);
    }
  });
});
