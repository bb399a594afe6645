import assert from "node:assert/strict";
import { type Fail, prvsSign, prvsVerify } from "../../mod.ts";
import vectors from "../vectors/prvs.json" with { type: "json" };

// deno-lint-ignore no-explicit-any
type Case = any;
const cases = vectors.cases as Case[];

const WINDOW = "Exim's window has no lower end: expired addresses are taken again from the next day 000 on";
const EARLY = "signed for more than 7 days ahead: Exim takes any day that is not past";
const CASE = "we take what a system on the way has changed to upper case; the engine does not";

/** Where we differ on purpose. Everything else must be equal. */
const EXCEPTIONS: Record<string, string> = {
  "prvs-034": "Exim refuses keys over 64 bytes; HMAC has no such limit",
  "prvs-038": "Exim writes day numbers under 100 as 100, which was a bug until 1970-04-11",
  "prvs-039": "as prvs-038",
  "prvs-053": EARLY,
  "prvs-054": EARLY,
  "prvs-055": EARLY,
  "prvs-069": WINDOW,
  "prvs-070": "999 days on is a day before the signing in the cycle of 1000: Exim takes what expires later than today",
  "prvs-086": "day 999 never expires for Exim",
  "prvs-089": CASE,
  "prvs-090": CASE,
  "prvs-091": CASE,
  "prvs-097": "Exim does not know the sub-address form of batv-tools",
  "batv-28": CASE,
};

async function answer(one: Case): Promise<unknown> {
  const now = new Date(one.now * 1000);
  const secrets = Object.fromEntries([..."0123456789"].map((digit) => [digit, one.key]));
  try {
    if (one.op === "check") return { ok: await prvsVerify(one.address, { secrets, lifetime: one.lifetime ?? 7, now }) };
    const number = one.keynum === null || one.keynum === undefined ? {} : { keyNumber: Number(one.keynum) };
    const form = { lifetime: one.lifetime ?? 7, delimiter: one.delimiter ?? "" };
    return { ok: await prvsSign(one.address, { secret: one.key, ...number, ...form, now }) };
  } catch (error) {
    return { error: (error as Fail).kind };
  }
}

/** What the engine said, reduced to what a caller acts on. */
function expected({ op, expect }: Case): "error" | { ok: string } {
  if (op === "sign") return "ok" in expect ? { ok: expect.ok } : "error";
  if ("rc" in expect) return expect.rc === 0 ? { ok: expect.stdout } : "error";
  return expect.valid ? { ok: expect.decoded } : "error";
}

for (const engine of new Set(cases.map((one) => one.engine as string))) {
  Deno.test(`prvs answers as ${engine} does`, { permissions: "none" }, async () => {
    for (const one of cases.filter((one) => one.engine === engine && !(one.id in EXCEPTIONS))) {
      const wanted = expected(one);
      const got = await answer(one);
      const message = `${one.id} ${one.op} ${one.address}`;
      if (wanted === "error") assert.ok(Object.hasOwn(got as object, "error"), message);
      else assert.deepEqual(got, wanted, message);
    }
  });
}

Deno.test("every exception is one: it differs from the engine", { permissions: "none" }, async () => {
  for (const id of Object.keys(EXCEPTIONS)) {
    const one = cases.find((one) => one.id === id);
    assert.ok(one, `${id} is a vector`);
    const [wanted, got] = [expected(one), await answer(one) as { ok?: string }];
    assert.notDeepEqual(got.ok, wanted === "error" ? undefined : wanted.ok, id);
  }
});

Deno.test("an address is good from signing to expiry, and not again a thousand days later", async () => {
  const secret = "secret";
  for (const start of [0, 5, 675, 992, 993, 999].map((day) => 20_000 + day)) { // days of the cycle
    const on = (day: number) => new Date((start + day) * 86_400_000);
    const address = await prvsSign("user@example.org", { secret, now: on(0) });
    for (const day of [-900, -100, -1, 0, 3, 7, 8, 9, 100, 400, 992]) {
      const result = await prvsVerify(address, { secrets: { 0: secret }, now: on(day) }).catch((error) => error.kind);
      assert.equal(
        result,
        day >= 0 && day <= 7 ? "user@example.org" : "stamp-expired",
        `${address} on day ${start}+${day}`,
      );
    }
  }
});

Deno.test("the key digit chooses the secret; several under one digit are tried", async () => {
  const address = await prvsSign("user@example.org", { secret: "new", keyNumber: 3 });
  assert.equal(await prvsVerify(address, { secrets: { 3: ["old", "new"] } }), "user@example.org");
  await assert.rejects(prvsVerify(address, { secrets: { 3: "old" } }), { kind: "hash-invalid" });
  await assert.rejects(prvsVerify(address, { secrets: { 0: "new" } }), { kind: "no-secret" });
  await assert.rejects(prvsSign("user@example.org", { secret: "x", keyNumber: 10 }), { kind: "option-invalid" });
  await assert.rejects(prvsSign("user@example.org", { secret: "x", lifetime: 1000 }), { kind: "option-invalid" });
});

Deno.test("the sub-address form is read with any delimiter", async () => {
  for (const delimiter of ["+", "-", "_", "."]) {
    const address = await prvsSign("a+b-c@example.org", { secret: "s", delimiter });
    assert.match(address, /^a\+b-c[-+_.]prvs=\d{4}[0-9a-f]{6}@example\.org$/);
    assert.equal(await prvsVerify(address, { secrets: { 0: "s" } }), "a+b-c@example.org");
  }
});
