/** hooks/queue is killed at random points: nothing is lost, changed, or accepted that would have been rejected. */
import assert from "node:assert/strict";
import { FORGED, PLAIN, srs } from "../serve/at_door.ts";
import { QueueSite } from "./qmail_site.ts";
import { queued } from "./qmail_smtpd.ts";

/** Longer than a pipe holds, and than what is examined. */
const BODY = "a line of a long message\xe9\0\r\n".repeat(15_000);

Deno.test("killed at a random point, the client is told to try again, and what is queued is complete", async () => {
  await using site = await QueueSite.start();
  const random = (most: number) => Math.random() * most;
  let number = 0;
  const outcomes = { accepted: 0, rejected: 0, temporary: 0 };
  const worker = async () => {
    for (let nth; (nth = number++) < 90;) {
      const forged = nth % 3 === 0;
      const unique = `X-Number: ${nth}\n${forged ? FORGED : `\n${BODY}`}`;
      const message = Uint8Array.from(unique, (c) => c.charCodeAt(0));
      const recipient = forged ? PLAIN : srs();
      const signal = nth % 2 === 0 ? "SIGKILL" : "SIGTERM";
      const { reply } = await site.send("", [recipient], message, { kill: { signal, after: random(400) } });
      const mine = queued(site.home).filter(({ message: one }) => {
        return new TextDecoder().decode(one.subarray(0, 40)).startsWith(`X-Number: ${nth}\n`);
      });
      for (const one of mine) assert.deepEqual([one.message, one.envelope], [message, `F\0T${recipient}\0\0`]);
      if (reply === "250 ok") {
        assert.ok(!forged, "a forged bounce is accepted");
        assert.equal(mine.length, 1);
        outcomes.accepted++;
      } else if (reply.startsWith("5")) {
        assert.ok(forged, reply);
        assert.equal(mine.length, 0);
        outcomes.rejected++;
      } else {
        assert.match(reply, /^451 /);
        // qmail-queue may have been killed after it had queued the message, as without hooks/queue.
        assert.ok(mine.length <= (forged ? 0 : 1));
        outcomes.temporary++;
      }
    }
  };
  await Promise.all(Array.from({ length: 3 }, worker));
  assert.ok(outcomes.temporary > 5, JSON.stringify(outcomes));
  // A folder may be left, and files without content, if it was killed while these had names.
  for (const { name } of Deno.readDirSync(site.home.path)) {
    if (!name.startsWith("countersign.")) continue;
    for (const file of Deno.readDirSync(`${site.home.path}/${name}`)) {
      assert.equal(Deno.statSync(`${site.home.path}/${name}/${file.name}`).size, 0);
    }
  }
});
