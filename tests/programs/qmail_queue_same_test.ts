/** What hooks/queue accepts, qmail-queue gets as if it had been started directly, and its status is the same. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { FORGED, LETTER, PLAIN, srs } from "../serve/at_door.ts";
import { QueueSite, RAW } from "./qmail_site.ts";
import { queued } from "./qmail_smtpd.ts";

/** How the shell starts a program with the files `m` and `e`. */
const DESCRIPTORS: readonly [what: string, redirections: string][] = [
  ["as netqmail", "<m 1<e"],
  ["without standard error", "<m 1<e 2>&-"],
  ["without a message", "<&- 1<e"],
  ["without an envelope", "<m 1>&-"],
  ["with nothing", "<&- 1>&- 2>&-"],
  ["an envelope that can only be written", "<m 1>/dev/null"],
  ["other descriptors that are open", "<m 1<e 3<e 4<m 5>/dev/null 6<m 7<e 8<m 9<e"],
];

const person = `Fjo@b.example\0T${PLAIN}\0\0`;
const ENVELOPES: readonly [what: string, envelope: string][] = [
  ["a person", person],
  ["a person, to two recipients", `Fjo@b.example\0T${PLAIN}\0Tann@c.example\0\0`],
  ["a bounce", `F\0T${srs()}\0\0`],
  ["nothing", ""],
  ["a NUL", "\0"],
  ["two", "\0\0"],
  ["truncated in the sender", "Fjo@b"],
  ["truncated in a recipient", `F\0T${PLAIN}`],
  ["truncated before its end", `F\0T${PLAIN}\0`],
  ["something behind its end", `${person}Tmore@b.example\0`],
  ["another type", `F\0X${PLAIN}\0\0`],
  ["no sender", `T${PLAIN}\0\0`],
  ["bytes of all values", String.fromCharCode(...RAW.subarray(0, 2000))],
  ["lines", "F\nT\n\n\0T\n\0\0"],
  ["a line that is very long", `F${"x".repeat(300_000)}\0T${PLAIN}\0\0`],
  ["longer than what is examined", `F\0${`T${srs("greg", "mallory")}\0`.repeat(2000)}\0`],
];

Deno.test("hooks/queue is like qmail-queue, whatever its descriptors and its envelope are", async (t) => {
  await using site = await QueueSite.start();
  site.sandbox();
  const { home } = site;
  const start = async (program: string, redirections: string) => {
    for (const { name } of Deno.readDirSync(`${home.path}/queue`)) Deno.removeSync(`${home.path}/queue/${name}`);
    const { code } = await home.run(["/bin/sh", "-c", `exec "$0" ${redirections}`, program], "", site.env);
    return { code, mails: queued(home).map(({ message, envelope }) => ({ message, envelope })) };
  };
  const same = async (envelope: string, redirections: string, message: string | Uint8Array) => {
    home.write("m", message);
    home.write("e", Uint8Array.from(envelope, (c) => c.charCodeAt(0)));
    const expected = await start(`${home.path}/bin/qmail-queue`, redirections);
    assert.deepEqual(await start(`${ROOT}/hooks/queue`, redirections), expected);
    return expected;
  };
  for (const [what, redirections] of DESCRIPTORS) {
    await t.step(what, async () => {
      for (const envelope of [person, `F\0T${srs()}\0\0`]) await same(envelope, redirections, LETTER);
    });
  }
  for (const [what, envelope] of ENVELOPES) {
    await t.step(`an envelope: ${what}`, async () => {
      const { code, mails } = await same(envelope, "<m 1<e", FORGED);
      if (code === 0) assert.equal(mails[0]!.envelope, envelope);
    });
  }
  await t.step("messages of odd sizes", async () => {
    for (const message of ["", "\0", "x", "a line\n".repeat(60_000), `${"y".repeat(2_000_000)}`, RAW]) {
      const { mails } = await same(`F\0T${srs()}\0\0`, "<m 1<e", message);
      assert.equal(mails.length, 1);
    }
  });
});
