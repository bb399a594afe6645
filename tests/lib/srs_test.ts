import assert from "node:assert/strict";
import { type Fail, srsForward, type SrsOptions, srsReverse } from "../../mod.ts";
import { dayOf } from "../../lib/date.ts";
import { hmac } from "../../lib/hmac.ts";
import { utf8 } from "../../lib/bytes.ts";
import { inTime, srsOpen, STAMP_CYCLE } from "../../lib/srs.ts";
import vectors from "../vectors/srs.json" with { type: "json" };
import { orKind } from "../verified.ts";

// deno-lint-ignore no-explicit-any
type Case = any;
const cases = vectors.cases as Case[];

/** Unsupported: classes of Mail::SRS other than Guarded, and options that disable its checks. */
const outOfScope = (one: Case) =>
  one.group.startsWith("class-") || one.ignoreTimestamp || one.alwaysRewrite || one.allowUnsafeSrs;

/** Maps error names of the reference implementation to ours. */
const KINDS: Record<string, string> = { expired: "stamp-expired" };

/** Cases where we differ from Mail::SRS on purpose, with the reason. None is known. */
const EXCEPTIONS: Record<string, string> = {};

function outcome(one: Case): { ok: string } | { error: string } {
  const options: SrsOptions = {
    secrets: one.secrets,
    hashLength: one.hashLength,
    hashMin: one.hashMin,
    maxAge: one.maxAge,
    separator: one.separator,
    now: new Date(one.now * 1000),
  };
  try {
    return {
      ok: one.op === "forward" ? srsForward(one.input, one.alias, options) : srsReverse(one.input, options),
    };
  } catch (error) {
    return { error: (error as Fail).kind };
  }
}

for (const group of new Set(cases.filter((one) => !outOfScope(one)).map((one) => one.group as string))) {
  Deno.test(`SRS gives the same results as Mail::SRS: ${group}`, { permissions: "none" }, () => {
    for (const one of cases) {
      if (one.group !== group || outOfScope(one) || one.id in EXCEPTIONS) continue;
      const { ok, error } = one.expect.mailsrs;
      const expected = error === undefined ? { ok } : { error: KINDS[error] ?? error };
      assert.deepEqual(outcome(one), expected, `${one.id} ${one.op} ${JSON.stringify(one.input)}`);
    }
  });
}

Deno.test("only a few known vectors are out of scope", { permissions: "none" }, () => {
  const groups = cases.filter(outOfScope).map((one) => one.group);
  assert.deepEqual([...new Set(groups)].sort(), [
    "class-Reversible",
    "class-Shortcut",
    "ignorets",
    "samedomain",
    "unsafe",
  ]);
});

Deno.test("base64url writes no + and /, but both alphabets are read", { permissions: "none" }, () => {
  for (const one of cases.filter((one) => one.group === "b64" && one.op === "reverse")) {
    const expected = one.expect.postsrsd24; // this engine reads both
    const options: SrsOptions = { secrets: one.secrets, alphabet: "base64url", now: new Date(one.now * 1000) };
    assert.equal(srsReverse(one.input, options), expected.ok, one.id);
  }
  for (const one of cases.filter((one) => one.group === "b64" && one.op === "forward")) {
    const options: SrsOptions = { secrets: one.secrets, alphabet: "base64url", now: new Date(one.now * 1000) };
    assert.equal(srsForward(one.input, one.alias, options), one.expect.postsrsd24.ok, one.id);
  }
});

const secrets = ["a secret", "an older one"];
const noon = new Date("2026-11-20T12:00:00Z");
const later = (days: number) => new Date(noon.getTime() + days * 86_400_000);

Deno.test("an address is valid from its day to maxAge, to the end of the day, and across the end of the cycle", () => {
  for (const start of ["2026-11-20", "2026-01-26", "2026-01-27"]) { // AA is on 2026-01-27
    const first = new Date(`${start}T00:00:00Z`);
    const last = new Date(first.getTime() + 22 * 86_400_000 - 1);
    const address = srsForward("a@b.example", "s.example", { secrets, now: first });
    assert.equal(srsReverse(address, { secrets, now: first }), "a@b.example");
    assert.equal(srsReverse(address, { secrets, now: last }), "a@b.example");
    const expired = { kind: "stamp-expired" };
    assert.throws(() => srsReverse(address, { secrets, now: new Date(last.getTime() + 1) }), expired);
    assert.throws(() => srsReverse(address, { secrets, now: new Date(first.getTime() - 1) }), expired);
    const day = { secrets, skew: 1, now: new Date(first.getTime() - 1) };
    assert.equal(srsReverse(address, day), "a@b.example", "a clock that is a day behind");
  }
});

Deno.test("srsOpen() returns the age that srsReverse() checks", () => {
  const address = srsForward("a@b.example", "s.example", { secrets, now: noon });
  for (const age of [0, 1, 21, 22, 179, 1023]) {
    const opened = srsOpen(address, { secrets, now: later(age) });
    assert.deepEqual(opened, { address: "a@b.example", age });
    assert.equal(inTime(age, 21, 0), age <= 21);
  }
  assert.equal(srsOpen(address, { secrets, now: later(STAMP_CYCLE) }).age, 0, "the cycle is 1024 days");
});

Deno.test("one changed character of hash, time stamp or address is rejected", () => {
  const address = srsForward("greg@example.org", "s.example", { secrets, hashLength: 8, now: noon });
  const options = { secrets, hashLength: 8, now: noon };
  const end = address.indexOf("@");
  let tried = 0;
  for (let i = 5; i < end; i++) {
    for (const c of "aZ0+/=-_.") {
      const changed = address.slice(0, i) + c + address.slice(i + 1);
      if (changed.toLowerCase() === address.toLowerCase()) continue;
      tried++;
      const result = orKind(() => srsReverse(changed, options));
      assert.notEqual(result, "greg@example.org", changed);
      // The hash covers the joined fields, so it stays valid when a separator moves. Mail::SRS accepts this too;
      // the hook then finds no identity.
      assert.ok(["hash-invalid", "stamp-expired"].includes(result), `${changed} gives ${result}`);
    }
  }
  assert.ok(tried > 200);
});

Deno.test("the first secret signs and all verify", () => {
  const old = srsForward("a@b.example", "s.example", { secrets: [secrets[1]!], now: new Date() });
  assert.equal(srsReverse(old, { secrets, now: new Date() }), "a@b.example");
  assert.equal(srsForward("a@b.example", "s.example", { secrets: [...secrets].reverse(), now: new Date() }), old);
});

Deno.test("invalid options are rejected", () => {
  const ranges = { hashLength: [1, 28], hashMin: [1, 28], maxAge: [0, STAMP_CYCLE - 1], skew: [0, 30] };
  for (const [name, [low, high]] of Object.entries(ranges) as [string, [number, number]][]) {
    const message = (value: number) => `Option ${name} is ${value}, not a whole number from ${low} to ${high}`;
    for (const value of [low - 1, high + 1, low + 0.5, NaN]) {
      const [options, wrong] = [{ secrets, [name]: value }, { kind: "option-invalid", message: message(value) }];
      assert.throws(() => srsForward("a@b.example", "s.example", { ...options, now: new Date() }), wrong);
      assert.throws(() => srsReverse("SRS0=x=y=z=u@s", { ...options, now: new Date() }), wrong);
    }
    for (const value of [low, high]) {
      srsForward("a@b.example", "s.example", { secrets, [name]: value, now: new Date() });
    }
  }
  const noSecret = { kind: "no-secret", message: "No secret is given" };
  assert.throws(() => srsForward("a@b.example", "s.example", { secrets: [], now: new Date() }), noSecret);
  assert.throws(() => srsReverse("SRS0=x=y=z=u@s", { secrets: [], now: new Date() }), noSecret);
  assert.throws(() => srsForward("a@b.example", "s.example", { secrets: [""], now: new Date() }), {
    kind: "no-secret",
  });
});

/** An address with these fields, valid or not, and a correct hash. */
function signed(tag: string, parts: string[]): string {
  const mac = hmac("SHA-1", secrets[0]!, utf8(parts.join("").toLowerCase()));
  return `${tag}=${[mac.toBase64().slice(0, 4), ...parts].join("=")}@s.example`;
}

Deno.test("missing fields are empty", () => {
  const parts = ["GA", "b.example", "a"];
  for (const count of parts.keys()) {
    const [, host = "", local = ""] = parts.slice(0, count);
    assert.equal(
      srsOpen(signed("SRS0", parts.slice(0, count)), { secrets, now: new Date() }).address,
      `${local}@${host}`,
    );
    const [first = "", rest = ""] = parts.slice(1, 1 + count);
    assert.equal(
      srsOpen(signed("SRS1", parts.slice(1, 1 + count)), { secrets, now: new Date() }).address,
      `SRS0${rest}@${first}`,
    );
  }
});

Deno.test("a time stamp is two characters of its alphabet", () => {
  const age = (stamp: string) => srsOpen(signed("SRS0", [stamp, "b.example", "a"]), { secrets, now: noon }).age;
  const today = dayOf(noon) % STAMP_CYCLE;
  for (const [stamp, day] of [["AA", 0], ["aa", 0], ["A7", 31], ["7A", 31 * 32], ["77", STAMP_CYCLE - 1]] as const) {
    assert.equal(age(stamp), (today - day + STAMP_CYCLE) % STAMP_CYCLE, stamp);
  }
  for (const stamp of ["", "A", "AAA", "A1", "1A", "A8", "8A", "A0", "A!", "\u00e4A"]) {
    assert.equal(age(stamp), undefined, stamp);
  }
});

Deno.test("SRS not at the beginning of the address is not SRS", () => {
  const options = { secrets, now: noon };
  for (const tag of ["SRS0", "SRS1"]) {
    for (const sender of [`my${tag}=x=y=z@b.example`, `my-${tag}=x@b.example`]) {
      const address = srsForward(sender, "s.example", options);
      assert.match(address, /^SRS0=[^=]{4}=[A-Z2-7]{2}=b\.example=my/, sender);
      assert.equal(srsReverse(address, options), sender);
      assert.throws(() => srsReverse(address, { secrets, now: later(22) }), { kind: "stamp-expired" }, sender);
    }
  }
});

Deno.test("a second hop drops the hash of the first, whatever its value", () => {
  const forward = (hash: string) =>
    srsForward(`SRS1=${hash}=b.example==x=y=z=a@c.example`, "s.example", { secrets, now: new Date() });
  assert.equal(forward(""), forward("abcd"));
  assert.equal(srsReverse(forward(""), { secrets, now: new Date() }), "SRS0=x=y=z=a@b.example");
});

Deno.test("the defaults are those of Mail::SRS: 4 hash characters at least, 21 days", () => {
  const [now, options] = [noon, { secrets, now: noon }];
  const address = srsForward("a@b.example", "s.example", options);
  assert.equal(
    address,
    srsForward("a@b.example", "s.example", { hashLength: 4, hashMin: 4, maxAge: 21, ...options }),
  );
  const shorter = srsForward("a@b.example", "s.example", { hashLength: 3, ...options });
  assert.throws(() => srsReverse(shorter, options), { kind: "hash-invalid" });
  assert.equal(srsReverse(shorter, { hashMin: 3, ...options }), "a@b.example");
  const longest = srsForward("a@b.example", "s.example", { secrets, now, hashLength: 28 });
  assert.equal(longest, srsForward("a@b.example", "s.example", { secrets, now, hashLength: 27 }));
});

Deno.test("errors contain the address and what is wrong with it", () => {
  const options = { secrets, now: noon };
  const bad = (run: () => string, kind: string, message: string) => assert.throws(run, { kind, message });
  bad(() => srsForward("a@b@c", "s", options), "at-in-user", 'Sender "a@b@c" has an @ in its local part');
  bad(() => srsForward("a@", "s", options), "no-at", 'Address "a@" has no @ followed by a domain');
  bad(() => srsReverse("a@b", options), "not-srs", 'Address "a@b" is not an SRS address');
  const wrong = "SRS0=xxxx=AA=b=a@s";
  bad(() => srsReverse(wrong, options), "hash-invalid", `SRS address "${wrong}" has a wrong hash`);
  const old = srsForward("a@b", "s", options);
  const days = "is 30 days old, more than 9";
  bad(() => srsReverse(old, { secrets, maxAge: 9, now: later(30) }), "stamp-expired", `SRS address "${old}" ${days}`);
  const badStamp = signed("SRS0", ["A1", "b", "a"]);
  const stamp = "has a bad time stamp";
  bad(() => srsReverse(badStamp, options), "stamp-expired", `SRS address "${badStamp}" ${stamp}`);
});
