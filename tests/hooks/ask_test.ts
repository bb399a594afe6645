/** The client of hooks/queue and hooks/rcptcheck: the envelope of qmail-queue, and the text for descriptor 6. */
import assert from "node:assert/strict";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { decide, parseEnvelope, queueText } from "../../hooks/ask.ts";
import { oneLine } from "../../hooks/door.ts";
import { askingAt } from "../../hooks/opensmtpd.ts";
import { TempFolder } from "../rig.ts";

const none = { permissions: "none" } as const;

Deno.test("an envelope, and where the message begins", none, () => {
  const text = "F\0Tgreg@example.org\0T\xc3\xa9@\xff\0\0From: x\n";
  assert.deepEqual(parseEnvelope(encodeLatin1(text)), {
    sender: "",
    recipients: ["greg@example.org", "é@\ufffd"],
    end: text.indexOf("From"),
  });
});

for (
  const [what, text] of [
    ["nothing", ""],
    ["no end", "Fa@b\0Tc@d\0"],
    ["no sender", "Tc@d\0\0"],
    ["no recipient", "Fa@b\0\0"],
    ["an unknown type", "Fa@b\0Tc@d\0Xe@f\0\0"],
    ["longer than what is examined", `Fa@b\0${"Tc@d\0".repeat(20_000)}\0`],
  ] as const
) {
  Deno.test(`not an envelope: ${what}`, none, () => assert.equal(parseEnvelope(encodeLatin1(text)), undefined));
}

Deno.test("the text for descriptor 6 has at most 255 bytes, of which the first is D or Z", none, () => {
  const text = (...lines: string[]) => queueText(oneLine(lines));
  assert.equal(text("550-5.1.1 No such address", "550 5.1.1 Contact: x"), "DNo such address. Contact: x (#5.1.1)");
  assert.equal(text("451 4.3.0 Later"), "ZLater (#4.3.0)");
  assert.ok(text(`550 5.7.1 ${"x".repeat(400)}`).length <= 255);
});

Deno.test("all queries about a message together have a time limit", async () => {
  using folder = new TempFolder();
  const path = `${folder.path}/lookup`;
  const listener = Deno.listen({ transport: "unix", path });
  let asked = 0;
  const serving = (async () => {
    for await (const one of listener) {
      asked++;
      await one.read(new Uint8Array(1000));
      await new Promise((done) => setTimeout(done, 20));
      await one.write(new TextEncoder().encode('{"version":1,"reply":["550 5.1.1 No such address"]}\n')).catch(
        () => {},
      );
      one.close();
    }
  })();
  const recipients = Array.from({ length: 50 }, (_, at) => `user${at}@srs.example.org`);
  await assert.rejects(decide(path, { sender: "", recipients }, undefined, 200), { kind: "temporary" });
  assert.ok(asked <= 12, `${asked}`);
  assert.equal((await decide(path, { sender: "", recipients: recipients.slice(0, 2) }, undefined))?.code, "550");
  listener.close();
  await serving;
});

Deno.test("the filter reports once a minute that serve is down", async () => {
  using folder = new TempFolder();
  const reports: string[] = [];
  let now = 0;
  const ask = askingAt(`${folder.path}/lookup`, (what) => void reports.push(what), () => now);
  const envelope = { sender: "", recipient: "greg@example.org" };
  for (now of [0, 10, 59_999, 60_000, 90_000, 120_000]) assert.equal(await ask(envelope), undefined);
  assert.equal(reports.length, 3);
  for (const one of reports) assert.match(one, /lookup: Request to countersign serve failed: .*; mail is accepted$/);
});

Deno.test("the filter sends 100 queries at a time, and all are answered", async () => {
  using folder = new TempFolder();
  const path = `${folder.path}/lookup`;
  const listener = Deno.listen({ transport: "unix", path });
  let [open, most] = [0, 0];
  const serving = (async () => {
    for await (const one of listener) {
      most = Math.max(most, ++open);
      void (async () => {
        await one.read(new Uint8Array(1000));
        await new Promise((done) => setTimeout(done, 5));
        open--;
        await one.write(new TextEncoder().encode('{"version":1,"need":"message"}\n'));
        one.close();
      })();
    }
  })();
  const ask = askingAt(path, assert.fail);
  const all = await Promise.all(
    Array.from({ length: 350 }, (_, at) => ask({ sender: "", recipient: `user${at}@example.org` })),
  );
  assert.ok(all.every((one) => one?.needsMessage === true));
  assert.ok(most <= 100 && most > 10, `${most}`);
  listener.close();
  await serving;
});
