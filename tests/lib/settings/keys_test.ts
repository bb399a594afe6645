import assert from "node:assert/strict";
import fc from "fast-check";
import { text } from "../../../lib/bytes.ts";
import { dayOf } from "../../../lib/date.ts";
import type { Fail } from "../../../lib/fail.ts";
import {
  type Key,
  KEY_LIFETIME_DAYS,
  keyDigit,
  parseKeys,
  secretsByDigit,
  signingKey,
  validKeys,
} from "../../../lib/settings/keys.ts";
import { parseDay } from "../../../lib/date.ts";

// A fixed seed makes failures reproducible; `deno task fuzz` explores new cases.
fc.configureGlobal({ seed: 1 });

Deno.test("parseKeys parses a key file", () => {
  /** Each key as `id day secret`, newest first. */
  const good = (file: string, ...expected: string[]) => {
    const found = parseKeys(file, "keys").map(({ id, created, secret }) => {
      return `${id} ${new Date(created * 86_400_000).toISOString().slice(0, 10)} ${text(secret)}`;
    });
    assert.deepEqual(found, expected, JSON.stringify(file));
  };
  good("k1 2026-11-20 secret", "k1 2026-11-20 secret");
  good("k1 2026-11-20 secret\n", "k1 2026-11-20 secret");
  good("k1 2026-11-20 secret\r\n", "k1 2026-11-20 secret");
  good("k1\t2026-11-20 \t secret", "k1 2026-11-20 secret");
  good("# made today\n\n  \nk1 2026-11-20 secret\n#k2 2026-11-20 other\n", "k1 2026-11-20 secret");
  good("k1 2026-11-20 words with  spaces", "k1 2026-11-20 words with  spaces");
  good("k1 2026-11-20 #not a comment", "k1 2026-11-20 #not a comment");
  good("k1 2026-11-20 schlüssel", "k1 2026-11-20 schlüssel");
  good(`k1 2026-11-20 base64:${btoa("secret")}`, "k1 2026-11-20 secret");
  good(`k1 2026-11-20 base64: ${btoa("secret")} `, "k1 2026-11-20 secret");
  good("abcdefg8 2026-11-20 s", "abcdefg8 2026-11-20 s");
  good("1 2026-11-20 s", "1 2026-11-20 s");
  good("a 2024-02-29 s", "a 2024-02-29 s");
  // The newest key is first; of keys made on one day, the one on the later line.
  good(
    "a 2026-01-02 A\nb 2026-03-04 B\nc 2025-12-31 C\n",
    "b 2026-03-04 B",
    "a 2026-01-02 A",
    "c 2025-12-31 C",
  );
  good("a 2026-01-02 A\nb 2026-01-02 B\nc 2026-01-02 C", "c 2026-01-02 C", "b 2026-01-02 B", "a 2026-01-02 A");
});

Deno.test("parseKeys reports file and line of an error, and never a secret", () => {
  const SECRET = "tick-tock-hush";
  const bad = (file: string, line: number, pattern: RegExp) =>
    assert.throws(() => parseKeys(file, "/home/greg/keys"), (error: Fail) => {
      assert.equal(error.kind, "config");
      assert.deepEqual([error.file, error.line], ["/home/greg/keys", line]);
      assert.match(error.message, pattern);
      assert.ok(!error.message.includes(SECRET), error.message);
      return true;
    }, JSON.stringify(file));
  bad(SECRET, 1, /id created secret/);
  bad(`k1 ${SECRET}`, 1, /id created secret/);
  bad(`# one\n\nk1 2026-11-20`, 3, /id created secret/);
  bad(`k1 2026-11-20 ${SECRET}\n k2 2026-11-20 ${SECRET}`, 2, /id created secret/);
  bad(`K1 2026-11-20 ${SECRET}`, 1, /Key id is not 1 to 8/);
  bad(`k-1 2026-11-20 ${SECRET}`, 1, /Key id is not 1 to 8/);
  bad(`abcdefghi 2026-11-20 ${SECRET}`, 1, /Key id is not 1 to 8/);
  bad(`${SECRET} 2026-11-20 k1`, 1, /Key id is not 1 to 8|id created secret/);
  bad(`k1 2026-11-20 ${SECRET}\nk1 2026-11-21 ${SECRET}`, 2, /"k1" is used twice/);
  bad(`k1 2026-02-30 ${SECRET}`, 1, /"k1" needs a date/);
  bad(`k1 today ${SECRET}`, 1, /"k1" needs a date/);
  bad(`k1 2026-1-1 ${SECRET}`, 1, /"k1" needs a date/);
  bad(`k1 2026-11-20 base64:`, 1, /not empty/);
  bad(`k1 2026-11-20 base64:%%%${SECRET}`, 1, /"k1" needs/);
  bad(`k1 2026-11-20    `, 1, /id created secret/);
  bad(`k1 2026-11-20 \t`, 1, /id created secret/);
});

Deno.test("A file without a key is an error", () => {
  for (const file of ["", "\n\n", "# nothing\n"]) {
    assert.throws(() => parseKeys(file, "/home/greg/keys"), {
      kind: "config",
      message: "Key file contains no key",
      file: "/home/greg/keys",
    });
  }
});

Deno.test("A key verifies on every day of its lifetime, and not after it", () => {
  const [key] = parseKeys("k1 2026-11-20 s", "keys");
  const day = (age: number) => new Date((key!.created + age) * 86_400_000);
  const isValid = (now: Date) => validKeys([key!], now).length === 1;
  assert.ok(isValid(day(0)));
  assert.ok(isValid(day(KEY_LIFETIME_DAYS - 1)));
  assert.ok(isValid(new Date(day(KEY_LIFETIME_DAYS).getTime() - 1)), "the last millisecond");
  assert.ok(!isValid(day(KEY_LIFETIME_DAYS)));
  assert.ok(!isValid(day(10 * KEY_LIFETIME_DAYS)));
  assert.ok(isValid(day(-1)), "a clock that is behind");
  assert.ok(!isValid(new Date(day(-1).getTime() - 1)), "a millisecond before that");
  assert.ok(!isValid(day(-2)));
  // A prvs day number recurs after 1000 days, an SRS time stamp after 1024: no key may be valid that long.
  assert.ok(KEY_LIFETIME_DAYS + 99 < 1000);
});

Deno.test("validKeys keeps the order", () => {
  const keys = parseKeys("a 2020-01-01 A\nb 2026-01-02 B\nc 2026-03-04 C", "keys");
  assert.deepEqual(validKeys(keys, new Date("2026-04-01")).map((key) => key.id), ["c", "b"]);
});

Deno.test("The key digit is the last digit of the id, or 0", () => {
  const good = (id: string, digit: number) => assert.equal(keyDigit({ id } as Key), digit, id);
  good("k1", 1);
  good("k19", 9);
  good("7", 7);
  good("k", 0);
  good("k0", 0);
  good("1k", 0);
});

Deno.test("Keys that share a digit are all tried, the newest first", () => {
  const keys = parseKeys("k1 2026-01-01 A\nx 2026-01-02 B\nk21 2026-01-03 C", "keys");
  const byDigit = Object.entries(secretsByDigit(keys)).map(([digit, list]) => [digit, list.map(text)]);
  assert.deepEqual(byDigit, [["0", ["B"]], ["1", ["C", "A"]]]);
});

Deno.test("Property: a formatted day is parsed to the same day", () => {
  const range = { min: new Date("1970-01-01"), max: new Date("9999-12-31"), noInvalidDate: true };
  fc.assert(fc.property(fc.date(range), (date) => {
    assert.equal(parseDay(date.toISOString().slice(0, 10)), dayOf(date));
  }));
});

Deno.test("parseDay rejects text that is not a date", () => {
  for (
    const wrong of [
      "",
      "2026",
      "2026-13-01",
      "2026-00-10",
      "2026-02-29",
      "2026-04-31",
      "2026-11-20T00:00",
      " 2026-11-20",
      "20261120",
    ]
  ) {
    assert.equal(parseDay(wrong), undefined, wrong);
  }
});

Deno.test("a key dated tomorrow verifies, and signs only if there is no other", () => {
  const secret = "sixteen bytes or more";
  const now = new Date("2026-11-20T23:59:59Z");
  const keys = parseKeys(`k1 2026-01-01 ${secret}\nk2 2026-11-21 ${secret}\nk3 2026-11-22 ${secret}\n`, "keys");
  const ids = (found: readonly Key[]) => found.map(({ id }) => id);
  assert.deepEqual(ids(validKeys(keys, now)), ["k2", "k1"]);
  assert.equal(signingKey(keys, now)!.id, "k1");
  const next = new Date("2026-11-21T00:00:00Z");
  assert.equal(signingKey(keys, next)!.id, "k2");
  assert.deepEqual(ids(validKeys(keys, next)), ["k3", "k2", "k1"]);
  assert.equal(signingKey(parseKeys(`k2 2026-11-21 ${secret}\n`, "keys"), now)!.id, "k2", "a slow clock");
  assert.equal(signingKey(parseKeys(`k1 2024-01-01 ${secret}\nk2 2026-11-21 ${secret}\n`, "keys"), now)!.id, "k2");
});
