/** The library in process: `deno bench bench/library_bench.ts`. */
import { prvsSign, prvsVerify, signTag, srsForward, srsReverse, tagNonce, verifyTag } from "../mod.ts";

const now = new Date("2026-11-20T05:32:58Z");
const secret = "tick-tock-secret";
const [sender, alias, id] = ["greg@example.org", "srs.example.org", "<1@example.org>"];
const srs = { secrets: [secret], hashLength: 8, now };
const key = { key: "k1", secret, now };
const prvs = { secrets: { 0: secret }, now };
const nonce = () => tagNonce(crypto.getRandomValues(new Uint8Array(5)));

const signed = {
  srs: srsForward(sender, alias, srs),
  prvs: prvsSign(sender, { secret, now }),
  tag: signTag(sender, id, { ...key, nonce: nonce() }),
};

/** Calls and their results, which are checked so that no error is measured. */
const CALLS: [name: string, call: () => unknown, result: unknown][] = [
  ["SRS, sign", () => srsForward(sender, alias, srs), signed.srs],
  ["SRS, verify", () => srsReverse(signed.srs, srs), sender],
  ["prvs, sign", () => prvsSign(sender, { secret, now }), signed.prvs],
  ["prvs, verify", () => prvsVerify(signed.prvs, prvs), sender],
  ["tag, sign", () => signTag(sender, id, { ...key, nonce: nonce() }), undefined],
  ["tag, verify", () => verifyTag(signed.tag, sender, id, { secrets: { k1: secret }, now }), undefined],
];

for (const [name, call, expected] of CALLS) {
  const result = call();
  if (expected !== undefined && result !== expected) throw new Error(`${name} returned ${result}`);
  Deno.bench(name, () => void call());
}
