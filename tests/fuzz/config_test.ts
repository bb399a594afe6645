/** The user's settings, key and list files. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "smol-toml";
import { Fail } from "../../lib/fail.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { parseDay } from "../../lib/date.ts";
import { parseKeys } from "../../lib/settings/keys.ts";
import { listAddress, parseLists, withList, withoutList } from "../../lib/settings/lists.ts";
import { SETTINGS } from "../../lib/settings/schema.ts";
import { fuzz } from "./fuzz.ts";
import { anyText, orFail, piecesOf, touched, touches } from "./texts.ts";

const SOURCE = { file: "/etc/countersign.toml", home: "/home/joe" };
const read = (text: string) =>
  orFail(() => {
    try {
      return parseConfig(text, SOURCE);
    } catch (error) {
      assert.ok(error instanceof Fail && error.file === SOURCE.file && error.line! >= 1, `${error}`);
      throw error;
    }
  }, "config");

const BASE =
  `[[identity]]\naddress = "joe@example.net"\nsrs_domain = "srs.example.net"\n[transport]\npreset = "sendmail"\n`;
const names = [...SETTINGS.map(({ name }) => name), ...SETTINGS.map(({ name }) => name.split(".").at(-1)!)];
const tables = ["[srs]", "[[rule]]", "[tag]", "[challenge]", "[incoming]", "[prvs]", "[transport]", "[[identity]]"];
const values = ["= true", "= 7", '= "srs"', '= ["a@b"]', "= 1979-05-27", "= nan", "= {a = 1}", "= '''x\n'''", "= 0xff"];
const lines = piecesOf([...names, ...tables, ...values, "\n", "\n", ".", '"', "#", "__proto__", "constructor"], 12);

fuzz("any settings file is accepted or rejected with a line number", fc.tuple(lines, fc.boolean()), ([text, base]) => {
  read(base ? `${text}\n${BASE}` : text);
});

fuzz(
  "settings with some characters changed are accepted or rejected with a line number",
  fc.array(touches, { maxLength: 4 }),
  (all) => {
    read(all.reduce(touched, BASE));
  },
);

const words = fc.array(
  fc.string({ unit: "binary", maxLength: 20 }).filter((one) => !/\0/.test(one) && one.isWellFormed()),
  {
    minLength: 1,
    maxLength: 4,
  },
);
const settings = fc.record({
  log_addresses: fc.boolean(),
  sender: fc.constantFrom("srs", "prvs", "plain"),
  srs: fc.record({ hash_length: fc.integer({ min: 4, max: 27 }), max_age: fc.integer({ min: 1, max: 100 }) }),
  rule: fc.array(fc.record({ to: fc.array(fc.constantFrom("*@x", "a@b.c", '"a b"@c'), { minLength: 1 }) })),
  transport: fc.record({ preset: fc.constant("sendmail"), real: words.map((all) => ["/bin/true", ...all]) }),
}, { noNullPrototype: true });

fuzz("parseConfig reads the settings that stringify wrote", settings, (given) => {
  const plain = JSON.parse(JSON.stringify(given)) as typeof given;
  const text = stringify({ ...plain, identity: [{ address: "joe@example.net" }] });
  const parsed = read(text);
  // A program's argument cannot contain every character. It is rejected then, never changed.
  if (parsed === undefined) return assert.match(JSON.stringify(plain.transport.real), /\\u00|\\[nrtbf]|""/);
  assert.deepEqual(parsed.transport.real, plain.transport.real);
  assert.deepEqual(parsed.rule.map(({ to }) => to), plain.rule.map(({ to }) => to));
  assert.equal(parsed.srs.hash_length, plain.srs.hash_length);
  assert.equal(parsed.srs.max_age, plain.srs.max_age);
  assert.deepEqual([parsed.log_addresses, parsed.sender], [plain.log_addresses, plain.sender]);
});

const keyTexts = piecesOf(
  ["k1", "k2", " ", "\t", "2026-11-20", "2026-02-30", "secret", "base64:", "QQ==", "\n", "#"],
  14,
);

fuzz("any key file is accepted or rejected with a line number and without a secret", keyTexts, (text) => {
  const keys = orFail(() => parseKeys(text, "/keys"), "config");
  for (const { id, created, secret } of keys ?? []) {
    assert.match(id, /^[a-z0-9]{1,8}$/);
    assert.ok(Number.isInteger(created) && secret.length > 0);
  }
});

const key = fc.tuple(
  fc.string({ unit: fc.constantFrom(..."abz019"), minLength: 1, maxLength: 8 }),
  fc.constantFrom("2026-11-20", "1999-12-31", "2024-02-29"),
  fc.array(fc.nat(255), { minLength: 1, maxLength: 40 }),
);

fuzz(
  "parseKeys reads every key as it was written",
  fc.uniqueArray(key, { minLength: 1, maxLength: 5, selector: ([id]) => id }),
  (all) => {
    const text = all.map(([id, created, secret]) => `${id} ${created} base64:${new Uint8Array(secret).toBase64()}\n`);
    const read = parseKeys(text.join(""), "/keys");
    assert.equal(read.length, all.length);
    for (const [id, created, secret] of all) {
      const found = read.find((one) => one.id === id)!;
      assert.deepEqual([found.created, [...found.secret]], [parseDay(created), secret]);
    }
  },
);

const listTexts = piecesOf(
  ["a@x", "B@Y.z", " ", "\n", "\r\n", "#", "*", "# a comment", '"a b"@c', "ann@example.org"],
  12,
);

fuzz(
  "any list file is accepted or rejected; a list that was added can be removed without other changes",
  fc.tuple(listTexts, listTexts),
  ([text, line]) => {
    const list = orFail(() => listAddress(line), "no-at", "address-invalid", "usage");
    const before = orFail(() => parseLists(text, "/lists"), "config");
    if (list === undefined || before === undefined) return;
    assert.deepEqual(parseLists(withList(text, list), "/lists"), [...before, list]);
    assert.deepEqual(
      parseLists(withoutList(withList(text, list), list), "/lists"),
      before.filter((one) => one !== list),
    );
  },
);

fuzz("any text is accepted as a list's address or rejected", anyText, (text) => {
  const list = orFail(() => listAddress(text), "no-at", "address-invalid", "usage");
  if (list !== undefined) assert.doesNotMatch(list, /[\s#*\0]/);
});
