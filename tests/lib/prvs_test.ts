import assert from "node:assert/strict";
import { prvsOpen } from "../../lib/prvs.ts";
import { type Fail, prvsSign, prvsVerify } from "../../mod.ts";
import vectors from "../vectors/prvs.json" with { type: "json" };
import { orKind } from "../verified.ts";

// deno-lint-ignore no-explicit-any
type Case = any;
const cases = vectors.cases as Case[];

const WINDOW = "Exim's window has no lower end: it accepts expired addresses again from the next day 000";
const EARLY = "signed for more than 7 days ahead: Exim accepts any day that has not passed";
const CASE = "we accept an address that was changed to upper case in transit; the engine does not";

/** Vectors where we differ on purpose. All others must give the same result. */
const EXCEPTIONS: Record<string, string> = {
  "prvs-034": "Exim rejects keys over 64 bytes; HMAC has no such limit",
  "prvs-038": "Exim writes day numbers under 100 as 100, which was a bug until 1970-04-11",
  "prvs-039": "as prvs-038",
  "prvs-053": EARLY,
  "prvs-054": EARLY,
  "prvs-055": EARLY,
  "prvs-069": WINDOW,
  "prvs-070":
    "999 days later is the day before signing in the cycle of 1000 days: Exim accepts what expires after today",
  "prvs-086": "day 999 never expires for Exim",
  "prvs-089": CASE,
  "prvs-090": CASE,
  "prvs-091": CASE,
  "prvs-097": "Exim does not know the sub-address form of batv-tools",
  "batv-28": CASE,
};

function outcome(one: Case): { ok: string } | { error: string } {
  const now = new Date(one.now * 1000);
  const secrets = Object.fromEntries([..."0123456789"].map((digit) => [digit, one.key]));
  try {
    if (one.op === "check") return { ok: prvsVerify(one.address, { secrets, lifetime: one.lifetime ?? 7, now }) };
    const number = one.keynum === null || one.keynum === undefined ? {} : { keyNumber: Number(one.keynum) };
    const form = { lifetime: one.lifetime ?? 7, delimiter: one.delimiter ?? "" };
    return { ok: prvsSign(one.address, { secret: one.key, ...number, ...form, now }) };
  } catch (error) {
    return { error: (error as Fail).kind };
  }
}

/** The engine's result, reduced to what a caller acts on. */
function expected({ op, expect }: Case): "error" | { ok: string } {
  if (op === "sign") return "ok" in expect ? { ok: expect.ok } : "error";
  if ("rc" in expect) return expect.rc === 0 ? { ok: expect.stdout } : "error";
  return expect.valid ? { ok: expect.decoded } : "error";
}

for (const engine of new Set(cases.map((one) => one.engine as string))) {
  Deno.test(`prvs gives the same results as ${engine}`, { permissions: "none" }, () => {
    for (const one of cases.filter((one) => one.engine === engine && !(one.id in EXCEPTIONS))) {
      const wanted = expected(one);
      const actual = outcome(one);
      const message = `${one.id} ${one.op} ${one.address}`;
      if (wanted === "error") assert.ok("error" in actual, message);
      else assert.deepEqual(actual, wanted, message);
    }
  });
}

Deno.test("every listed exception differs from the engine", { permissions: "none" }, () => {
  for (const id of Object.keys(EXCEPTIONS)) {
    const one = cases.find((one) => one.id === id);
    assert.ok(one, `there is no vector ${id}`);
    const [wanted, actual] = [expected(one), outcome(one) as { ok?: string }];
    assert.notDeepEqual(actual.ok, wanted === "error" ? undefined : wanted.ok, id);
  }
});

Deno.test("an address is valid from signing to expiry, and not again a thousand days later", () => {
  const secret = "secret";
  for (const start of [0, 5, 675, 992, 993, 999].map((day) => 20_000 + day)) { // days of the cycle
    const on = (day: number) => new Date((start + day) * 86_400_000);
    const address = prvsSign("user@example.org", { secret, now: on(0) });
    for (const day of [-900, -100, -1, 0, 3, 7, 8, 9, 100, 400, 992]) {
      const result = orKind(() => prvsVerify(address, { secrets: { 0: secret }, now: on(day) }));
      assert.equal(
        result,
        day >= 0 && day <= 7 ? "user@example.org" : "stamp-expired",
        `${address} on day ${start}+${day}`,
      );
    }
  }
});

Deno.test("prvsOpen returns the age in days, for every key digit, also in the first cycle of 1000 days", () => {
  const secret = "secret";
  for (const keyNumber of [0, 1, 9]) {
    for (const start of [0, 1, 993, 999, 1000, 20_777]) {
      const on = (day: number) => new Date((start + day) * 86_400_000);
      const address = prvsSign("user@example.org", { secret, keyNumber, now: on(0) });
      for (const age of [0, 1, 7, 100, 992]) {
        const opened = prvsOpen(address, { secrets: { [keyNumber]: secret }, now: on(age) });
        assert.deepEqual(opened, { address: "user@example.org", age }, `${address} on day ${start}+${age}`);
      }
    }
  }
});

Deno.test("the key digit selects the secret; several secrets with one digit are all tried", () => {
  const address = prvsSign("user@example.org", { secret: "new", keyNumber: 3, now: new Date() });
  assert.equal(prvsVerify(address, { secrets: { 3: ["old", "new"] }, now: new Date() }), "user@example.org");
  assert.throws(() => prvsVerify(address, { secrets: { 3: "old" }, now: new Date() }), { kind: "hash-invalid" });
  assert.throws(() => prvsVerify(address, { secrets: { 0: "new" }, now: new Date() }), { kind: "no-secret" });
});

Deno.test("invalid options are rejected", () => {
  for (const keyNumber of [-1, 10, 0.5, NaN]) {
    const message = `Option keyNumber is ${keyNumber}, not a single digit`;
    assert.throws(() => prvsSign("a@b", { secret: "x", keyNumber, now: new Date() }), {
      kind: "option-invalid",
      message,
    });
  }
  for (const lifetime of [0, 1000, 1.5, NaN]) {
    const message = `Option lifetime is ${lifetime}, not a whole number from 1 to 999`;
    assert.throws(() => prvsSign("a@b", { secret: "x", lifetime, now: new Date() }), {
      kind: "option-invalid",
      message,
    });
    assert.throws(() => prvsVerify("a@b", { secrets: {}, lifetime, now: new Date() }), {
      kind: "option-invalid",
      message,
    });
  }
  for (const lifetime of [1, 999]) {
    const address = prvsSign("a@b", { secret: "x", keyNumber: 9, lifetime, now: new Date() });
    assert.equal(prvsVerify(address, { secrets: { 9: "x" }, lifetime, now: new Date() }), "a@b");
  }
});

Deno.test("errors contain the address and what is wrong with it", () => {
  const now = new Date("2026-11-20T12:00:00Z");
  const bad = (run: () => string, kind: string, message: string) => assert.throws(run, { kind, message });
  for (const address of ["a", "@b", "a@", "@", ""]) {
    const message = `Address "${address}" is not of the form local@domain`;
    bad(() => prvsSign(address, { secret: "x", now }), "no-at", message);
    bad(() => prvsVerify(address, { secrets: {}, now }), "no-at", message);
  }
  bad(() => prvsVerify("a@b", { secrets: {}, now }), "not-prvs", 'Address "a@b" is not a prvs address');
  const address = prvsSign("a@b", { secret: "x", keyNumber: 3, now });
  bad(() => prvsVerify(address, { secrets: {}, now }), "no-secret", `No secret for key 3 of prvs address "${address}"`);
  const other = () => prvsVerify(address, { secrets: { 3: "y" }, now });
  bad(other, "hash-invalid", `Prvs address "${address}" has a wrong signature`);
  const late = () => prvsVerify(address, { secrets: { 3: "x" }, now: new Date(now.getTime() + 8 * 86_400_000) });
  bad(late, "stamp-expired", `Prvs address "${address}" is expired`);
});

Deno.test("a domain in upper case is accepted, and the local part is returned as signed", () => {
  const address = prvsSign("Ann.Lee@example.org", { secret: "x", now: new Date() });
  const upper = address.replace("@example.org", "@EXAMPLE.ORG");
  assert.equal(prvsVerify(upper, { secrets: { 0: "x" }, now: new Date() }), "Ann.Lee@example.org");
});

Deno.test("the subaddress form is accepted with any delimiter", () => {
  for (const delimiter of ["+", "-", "_", "."]) {
    const address = prvsSign("a+b-c@example.org", { secret: "s", delimiter, now: new Date() });
    assert.match(address, /^a\+b-c[-+_.]prvs=\d{4}[0-9a-f]{6}@example\.org$/);
    assert.equal(prvsVerify(address, { secrets: { 0: "s" }, now: new Date() }), "a+b-c@example.org");
  }
  for (const delimiter of "09azAZ=") {
    const address = prvsSign("ab@example.org", { secret: "s", delimiter, now: new Date() });
    assert.throws(() => prvsVerify(address, { secrets: { 0: "s" }, now: new Date() }), { kind: "not-prvs" }, delimiter);
  }
});
