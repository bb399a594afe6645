/** The library in process: `deno bench bench/library_bench.ts`. Each round is one call, or {@link FLIGHT} at once. */
import { prvsSign, prvsVerify, signTag, srsForward, srsReverse, verifyTag } from "../mod.ts";

/** Calls that a server may have under way at once. */
const FLIGHT = 256;

const now = new Date("2026-11-20T05:32:58Z");
const secret = "tick-tock-secret";
const [sender, alias, id] = ["greg@example.org", "srs.example.org", "<1@example.org>"];
const srs = { secrets: [secret], hashLength: 8, now };
const key = { key: "k1", secret };
const prvs = { secrets: { 0: secret }, now };

const signed = {
  srs: await srsForward(sender, alias, srs),
  prvs: await prvsSign(sender, { secret, now }),
  tag: await signTag(sender, id, { ...key, now }),
};

/** [name, one call]; the answers are looked at, so that no error is measured. */
const CALLS: [string, () => Promise<unknown>, unknown][] = [
  ["SRS, sign", () => srsForward(sender, alias, srs), signed.srs],
  ["SRS, verify", () => srsReverse(signed.srs, srs), sender],
  ["prvs, sign", () => prvsSign(sender, { secret, now }), signed.prvs],
  ["prvs, verify", () => prvsVerify(signed.prvs, prvs), sender],
  ["tag, sign", () => signTag(sender, id, { ...key, now }), undefined],
  ["tag, verify", () => verifyTag(signed.tag, sender, id, { secrets: { k1: secret }, now }), undefined],
];

for (const [name, call, answer] of CALLS) {
  const got = await call();
  if (answer !== undefined && got !== answer) throw new Error(`${name} gave ${got}`);
  Deno.bench(`${name}, one by one`, async () => void await call());
  Deno.bench(`${name}, ${FLIGHT} at once`, async () => void await Promise.all(Array.from({ length: FLIGHT }, call)));
}
