/** Tests that every shared store must pass. */
import assert from "node:assert/strict";
import type { SharedStore } from "../../../../io/state/shared/store.ts";
import { dayOf } from "../../../../lib/date.ts";
import { TempFolder } from "../../../rig.ts";

const today = dayOf(new Date());
const hex = (digit: string): string => digit.repeat(32);
/** Some names of messages and lists. */
export const [A, B, C] = ["a", "b", "c"].map(hex) as [string, string, string];
const TEXT = `front\n${"b".repeat(90_000)}\n`;

/** Runs with a temporary folder. */
export async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  using folder = new TempFolder();
  await run(folder.path);
}

/** Registers the tests of a store, each of which gets an empty one. */
export function storeTests(
  label: string,
  test: (name: string, run: () => Promise<void>) => void,
  withStore: (run: (store: SharedStore) => Promise<void>) => Promise<void>,
): void {
  const one = (name: string, run: (store: SharedStore) => Promise<void>) =>
    test(`${label}: ${name}`, () => withStore(run));

  one("sent mail is found by its hash, signed and unsigned", async (store) => {
    assert.deepEqual(await store.sent([A, B]), []);
    await store.rememberSent(A, { day: today, signed: true });
    await store.rememberSent(B, { day: today - 3, signed: true });
    await store.rememberSent(B, { day: today - 1, signed: false });
    assert.deepEqual(await store.sent([A]), [{ day: today, signed: true }]);
    const both = (await store.sent([C, B])).map(({ day, signed }) => [day - today, signed]).sort();
    assert.deepEqual(both, [[-1, false], [-3, true]]);
    assert.deepEqual(await store.sent([C]), []);
    // A record of an earlier day does not replace a later one.
    await store.rememberSent(A, { day: today - 9, signed: true });
    assert.equal(Math.max(...(await store.sent([A])).map(({ day }) => day)), today);
  });

  one("a lookup by message returns the whole text of an entry, a lookup by list its first line", async (store) => {
    assert.deepEqual(await store.entries({ messages: [A] }), []);
    await store.issue([`${A}-${B}`], today + 7, TEXT);
    await store.issue([`${A}-${C}`], today + 7, "other\nbody\n");
    await store.issue([`${C}-${B}`], today + 6, "third\nbody\n");
    const [first, second] = await store.entries({ messages: [A, B] });
    assert.deepEqual(first, { name: `${A}-${B}`, state: "issued", text: TEXT });
    assert.deepEqual(second, { name: `${A}-${C}`, state: "issued", text: "other\nbody\n" });
    const byList = (await store.entries({ lists: [B] })).map(({ name, state, text }) => `${name} ${state} ${text}`);
    assert.deepEqual(byList.sort(), [`${A}-${B} issued front`, `${C}-${B} issued third`]);
    assert.equal((await store.entries({ lists: [A, B, C] })).length, 3);
  });

  one("an entry is issued once, in any state and under any of its names", async (store) => {
    const text = async () => (await store.entries({ messages: [A] }))[0]?.text;
    await store.issue([`${A}-${B}`], today + 7, "first\n");
    await store.issue([`${A}-${B}`], today + 8, "again\n");
    assert.equal(await text(), "first\n");
    const claim = await store.claim(`${A}-${B}`);
    await store.issue([`${A}-${B}`], today + 8, "again\n");
    await store.settle(claim!, "spent");
    await store.issue([`${A}-${B}`], today + 8, "again\n");
    await store.issue([`${C}-${C}`, `${A}-${B}`], today + 8, "again\n");
    assert.deepEqual([await text(), await store.entries({ messages: [C] })], ["first\n", []]);
  });

  one(
    "one of many concurrent claims succeeds; a returned entry can be claimed again, a spent one cannot",
    async (store) => {
      assert.equal(await store.claim(`${A}-${B}`), undefined, "no such entry");
      await store.issue([`${A}-${B}`], today + 7, "text\n");
      const state = async () => (await store.entries({ messages: [A] })).map((one) => one.state);
      for (const end of ["issued", "spent"] as const) {
        const claims = await Promise.all(Array.from({ length: 20 }, () => store.claim(`${A}-${B}`)));
        const [claim, ...others] = claims.filter((one) => one !== undefined);
        assert.deepEqual([typeof claim, others], ["string", []]);
        assert.deepEqual(await state(), ["claimed"]);
        await store.settle(claim!, end);
        assert.deepEqual(await state(), [end]);
        await assert.rejects(store.settle(claim!, "issued"), { kind: "temporary" });
      }
      assert.equal(await store.claim(`${A}-${B}`), undefined);
    },
  );

  one("the latest time at which a message was not remembered is kept", async (store) => {
    assert.equal(await store.lastForgotten(), undefined);
    const now = Math.floor(Date.now() / 1000) * 1000;
    for (const time of [now - 60_000, now, now - 30_000]) await store.noteForgotten(time);
    assert.equal(await store.lastForgotten(), now);
  });
}
