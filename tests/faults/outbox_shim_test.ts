/** Faults at each step of a shim whose server accepts one recipient, refuses one and defers one. */
import assert from "node:assert/strict";
import { toServer } from "../outbox_home.ts";
import { LATER, REFUSED, Sink } from "../smtp_sink.ts";
import type { Fault, Job } from "./driver.ts";
import { CONFIG, FaultHome, KEYS, letter, STATE } from "./home.ts";

const later: Job = { program: "shim", args: ["-q"], input: "", fault: [0, "disk"], clock: Date.now() + 600_000 };

for (const rejectsFirst of [false, true]) {
  const server = rejectsFirst ? ", of a server that rejects the message at first" : "";
  Deno.test(`errors at each step of a shim${server}: exit 0 is a promise to each recipient, any other status none`, () =>
    errorsAtEachStep(rejectsFirst));
}

async function errorsAtEachStep(rejectsFirst: boolean): Promise<void> {
  const deferred = new Set<string>();
  await using sink: Sink = new Sink({
    hold: () => {
      const key = sink.lines.findLast((line) => line.startsWith("RCPT"))!.replace(/\D/g, "");
      sink.answers.end = rejectsFirst && !deferred.has(key) ? LATER : "250 Taken";
      deferred.add(key);
    },
    to: (to) => {
      if (to.startsWith("no")) return REFUSED;
      if (!to.startsWith("later") || deferred.has(to)) return undefined;
      deferred.add(to);
      return LATER;
    },
  });
  const settings = `[[identity]]\naddress = "greg@example.org"\nkeys = "keys"\n${toServer(sink.port)}` +
    `[outbox]\nwhen = "failed"\nreport = "~/reports"\n`;
  const job = (home: FaultHome, nth: number, fault?: Job["fault"]): Job => ({
    program: "shim",
    args: ["--", ...["ann", "no", "later"].map((one) => `${one}${nth}@example.net`)],
    input: letter(`ann${nth}@example.net`),
    files: { [CONFIG]: settings, [KEYS]: home.keys },
    ...(fault && { fault }),
  });
  using home = new FaultHome();
  const { results: [first] } = await home.drive([job(home, 1000)]);
  assert.equal(first!.status, rejectsFirst ? 69 : 0);
  const faults = first!.steps.flatMap((step, at) => {
    const some: Fault[] = [
      "disk",
      ...(step === "write" ? ["short" as const] : []),
      ...(at % 4 ? [] : ["orphan" as const]),
    ];
    return some.map((fault) => ({ fault: [at, fault] as const, what: `${fault} at step ${at}, ${step}` }));
  });
  const { results } = await home.drive([...faults.flatMap(({ fault }, nth) => [job(home, nth, fault), later]), later]);
  assert.equal(results.length, 2 * faults.length + 1);
  const reports = [...Deno.readDirSync(`${home.path}/reports/new`)].map(({ name }) => home.read(`reports/new/${name}`));
  const announced = home.read(`${STATE}/log`).match(/may be sent twice/g)?.length ?? 0;
  let [promised, twice] = [0, 0];
  for (const [nth, { what }] of faults.entries()) {
    const { status } = results[2 * nth]!;
    const copies = (name: string) =>
      sink.accepted.flatMap(({ to }) => to).filter((to) => to === `${name}${nth}@example.net`);
    const told = reports.filter((report) => report.includes(`Final-Recipient: rfc822; no${nth}@example.net\n`));
    // The result could not be noted after the final dot, whose note was on disk.
    const again = status === 0 && copies("ann").length === 2;
    twice += Number(again);
    // A report whose note failed is written again.
    const found = {
      ann: copies("ann").length - Number(again),
      later: copies("later").length,
      told: Math.min(told.length, 1),
    };
    const expected = status === 0 ? { ann: 1, later: 1, told: 1 } : { ann: 0, later: 0, told: 0 };
    assert.deepEqual(found, expected, `${what}: status ${status}`);
    promised += Number(status === 0);
  }
  assert.ok(twice <= announced && twice < 5, `${twice} twice, ${announced} announced`);
  const [least, most] = rejectsFirst ? [0, faults.length / 4] : [5, faults.length - 5];
  assert.ok(promised > least && promised < most, `${promised} of ${faults.length}`);
}
