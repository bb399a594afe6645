/** Servers that reply to each command at random: every recipient gets the message once, or its sender is told. */
import assert from "node:assert/strict";
import { fieldOf } from "../../rig.ts";
import { type Answers, deadPort, HANG_UP, Sink } from "../../smtp_sink.ts";
import { Box } from "./box.ts";

const MINUTE = 60_000;
const COUNT = 100;

/** Returns numbers from 0 to below `limit` that look random, the same each time. */
function numbers(seed: number): (limit: number) => number {
  return (limit) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor(seed / 2 ** 8) % limit;
  };
}

/** Replies of one server: half of the commands succeed. */
function answersBy(pick: (limit: number) => number): Answers {
  const one = (...bad: string[]) => pick(2) === 0 ? undefined : bad[pick(bad.length)]!;
  const bad = ["450 4.2.1 Later", "550 5.1.1 No", "421 4.3.2 Bye", HANG_UP, "552 5.2.2 Full", "503 5.5.1 Order"];
  const rare = (reply: string | undefined) => pick(3) > 0 || reply === undefined ? {} : reply;
  const [greeting, from, data, end] = [
    rare(one("421 Busy", HANG_UP)),
    rare(one(...bad)),
    rare(one(...bad)),
    one(...bad),
  ];
  return {
    ...(typeof greeting === "string" && { greeting }),
    ...(typeof from === "string" && { from }),
    ...(typeof data === "string" && { data }),
    ...(end !== undefined && { end }),
    ...(pick(2) === 0 && { extensions: ["PIPELINING"] }),
    to: () => one(...bad),
  };
}

Deno.test("whatever a server replies: sent once, or reported, or rejected at once", async () => {
  const pick = numbers(12);
  await using sink = new Sink();
  using box = new Box("");
  box.configure(sink.port);
  const sent = new Map<string, { to: string[]; error: string }>();
  for (let nth = 0; nth < COUNT; nth++) {
    sink.answers = answersBy(pick);
    const when: "always" | "failed" = pick(3) === 0 ? "always" : "failed";
    const to = Array.from({ length: 1 + pick(4) }, (_, at) => `r${at}@example.net`);
    const id = `<m${nth}@example.org>`;
    const error = await box.submit(`From: greg@example.org\nMessage-ID: ${id}\n\nHi.\n`, to, when);
    const kept = box.names("queue").some((one) =>
      Deno.readTextFileSync(`${box.folder}/queue/${one}/message`).includes(id)
    );
    sent.set(id, { to, error });
    if (error !== "") assert.ok(!kept, `${nth}: ${error}, and kept`);
    if (pick(4) > 0) continue;
    sink.answers = answersBy(pick);
    await box.runAfter(MINUTE);
  }
  sink.answers = {};
  for (let run = 0; box.names("queue").length > 0; run++) {
    assert.ok(run < 20, "the queue does not become empty");
    await box.runAfter(5 * 3_600_000);
  }
  assert.deepEqual([box.names("tmp"), box.names("damaged")], [[], []]);
  // A server that refused the report, too.
  const undelivered = box.names("undelivered").map((one) =>
    Deno.readTextFileSync(`${box.folder}/undelivered/${one}/message`)
  );
  const log = box.log;
  for (const [id, { to, error }] of sent) {
    const copies = sink.accepted.filter(({ mail }) => fieldOf(mail, "Message-ID") === id).flatMap((one) => one.to);
    const reports = [...sink.accepted.map(({ mail }) => mail), ...undelivered].filter((one) =>
      one.includes(`References: ${id}\n`)
    );
    for (const one of to) {
      const got = copies.filter((other) => other === one).length;
      const told = reports.filter((mail) => mail.includes(`Final-Recipient: rfc822; ${one}`)).length;
      assert.equal(
        got + told,
        error === "" ? 1 : 0,
        `${id} to ${one}: ${got} copies, ${told} reports, ${error}\n${log}`,
      );
    }
  }
});

Deno.test("a shim that was stopped keeps nothing: its caller assumes that the message was not sent", async () => {
  using box = new Box("");
  box.configure(deadPort());
  for (const when of ["failed", "always"] as const) {
    const error = await box.submit("From: greg@example.org\n\nHi.\n", ["ann@example.net"], when, AbortSignal.abort());
    assert.match(error, /Stopped by a signal; nothing is sent/, when);
    assert.deepEqual([box.names("queue"), box.names("tmp")], [[], []], when);
  }
});
