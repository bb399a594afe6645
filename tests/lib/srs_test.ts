import assert from "node:assert/strict";
import { type Fail, srsForward, type SrsOptions, srsReverse } from "../../mod.ts";
import { inTime, srsOpen, STAMP_CYCLE } from "../../lib/srs.ts";
import vectors from "../vectors/srs.json" with { type: "json" };

// deno-lint-ignore no-explicit-any
type Case = any;
const cases = vectors.cases as Case[];

/** What is not offered: other classes of Mail::SRS than Guarded, and switches that turn its checks off. */
const outOfScope = (one: Case) =>
  one.group.startsWith("class-") || one.ignoreTimestamp || one.alwaysRewrite || one.allowUnsafeSrs;

/** The reference's names for errors, in ours. */
const KINDS: Record<string, string> = { expired: "stamp-expired" };

/** Cases where we differ from Mail::SRS on purpose, with the reason. None is known. */
const EXCEPTIONS: Record<string, string> = {};

async function outcome(one: Case): Promise<{ ok: string } | { error: string }> {
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
      ok: one.op === "forward" ? await srsForward(one.input, one.alias, options) : await srsReverse(one.input, options),
    };
  } catch (error) {
    return { error: (error as Fail).kind };
  }
}

for (const group of new Set(cases.filter((one) => !outOfScope(one)).map((one) => one.group as string))) {
  Deno.test(`SRS answers as Mail::SRS does: ${group}`, { permissions: "none" }, async () => {
    for (const one of cases) {
      if (one.group !== group || outOfScope(one) || one.id in EXCEPTIONS) continue;
      const { ok, error } = one.expect.mailsrs;
      const expected = error === undefined ? { ok } : { error: KINDS[error] ?? error };
      assert.deepEqual(await outcome(one), expected, `${one.id} ${one.op} ${JSON.stringify(one.input)}`);
    }
  });
}

Deno.test("the vectors that are out of scope are a known few", { permissions: "none" }, () => {
  const groups = cases.filter(outOfScope).map((one) => one.group);
  assert.deepEqual([...new Set(groups)].sort(), [
    "class-Reversible",
    "class-Shortcut",
    "ignorets",
    "samedomain",
    "unsafe",
  ]);
});

Deno.test("base64url is written without + and /, and both are read", { permissions: "none" }, async () => {
  for (const one of cases.filter((one) => one.group === "b64" && one.op === "reverse")) {
    const expected = one.expect.postsrsd24; // the engine that reads both
    const options: SrsOptions = { secrets: one.secrets, alphabet: "base64url", now: new Date(one.now * 1000) };
    assert.equal(await srsReverse(one.input, options), expected.ok, one.id);
  }
  for (const one of cases.filter((one) => one.group === "b64" && one.op === "forward")) {
    const options: SrsOptions = { secrets: one.secrets, alphabet: "base64url", now: new Date(one.now * 1000) };
    assert.equal(await srsForward(one.input, one.alias, options), one.expect.postsrsd24.ok, one.id);
  }
});

const secrets = ["a secret", "an older one"];
const noon = new Date("2026-11-20T12:00:00Z");
const later = (days: number) => new Date(noon.getTime() + days * 86_400_000);

Deno.test("an address is good from its day to maxAge, at the edges of days, also over the turn of the cycle", async () => {
  for (const start of ["2026-11-20", "2026-01-26", "2026-01-27"]) { // AA is on 2026-01-27
    const first = new Date(`${start}T00:00:00Z`);
    const last = new Date(first.getTime() + 22 * 86_400_000 - 1);
    const address = await srsForward("a@b.example", "s.example", { secrets, now: first });
    assert.equal(await srsReverse(address, { secrets, now: first }), "a@b.example");
    assert.equal(await srsReverse(address, { secrets, now: last }), "a@b.example");
    const expired = { kind: "stamp-expired" };
    await assert.rejects(srsReverse(address, { secrets, now: new Date(last.getTime() + 1) }), expired);
    await assert.rejects(srsReverse(address, { secrets, now: new Date(first.getTime() - 1) }), expired);
    const day = { secrets, skew: 1, now: new Date(first.getTime() - 1) };
    assert.equal(await srsReverse(address, day), "a@b.example", "a clock that is a day behind");
  }
});

Deno.test("srsOpen() tells the age that srsReverse() judges", async () => {
  const address = await srsForward("a@b.example", "s.example", { secrets, now: noon });
  for (const age of [0, 1, 21, 22, 179, 1023]) {
    const opened = await srsOpen(address, { secrets, now: later(age) });
    assert.deepEqual(opened, { address: "a@b.example", age });
    assert.equal(inTime(age, 21, 0), age <= 21);
  }
  assert.equal((await srsOpen(address, { secrets, now: later(STAMP_CYCLE) })).age, 0, "the cycle is 1024 days");
});

Deno.test("no one-character change of hash, stamp or address is taken", async () => {
  const address = await srsForward("greg@example.org", "s.example", { secrets, hashLength: 8, now: noon });
  const options = { secrets, hashLength: 8, now: noon };
  const end = address.indexOf("@");
  let tried = 0;
  for (let i = 5; i < end; i++) {
    for (const c of "aZ0+/=-_.") {
      const changed = address.slice(0, i) + c + address.slice(i + 1);
      if (changed.toLowerCase() === address.toLowerCase()) continue;
      tried++;
      const result = await srsReverse(changed, options).catch((error) => error.kind);
      assert.notEqual(result, "greg@example.org", changed);
      // A border that moves keeps the joined text: Mail::SRS takes it too, and the hook then finds no identity.
      assert.ok(["hash-invalid", "stamp-expired"].includes(result), `${changed} gives ${result}`);
    }
  }
  assert.ok(tried > 200);
});

Deno.test("the first secret signs and all verify", async () => {
  const old = await srsForward("a@b.example", "s.example", { secrets: [secrets[1]!] });
  assert.equal(await srsReverse(old, { secrets }), "a@b.example");
  assert.equal(await srsForward("a@b.example", "s.example", { secrets: [...secrets].reverse() }), old);
});

Deno.test("options that make no sense are refused", async () => {
  for (
    const bad of [{ hashLength: 0 }, { hashLength: 29 }, { hashMin: 0 }, { maxAge: 1024 }, { maxAge: 1.5 }, {
      skew: 31,
    }]
  ) {
    await assert.rejects(srsForward("a@b.example", "s.example", { secrets, ...bad }), { kind: "option-invalid" });
    await assert.rejects(srsReverse("SRS0=x=y=z=u@s", { secrets, ...bad }), { kind: "option-invalid" });
  }
  await assert.rejects(srsForward("a@b.example", "s.example", { secrets: [] }), { kind: "no-secret" });
  await assert.rejects(srsForward("a@b.example", "s.example", { secrets: [""] }), { kind: "no-secret" });
});
