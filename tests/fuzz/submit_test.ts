/** Submission: the rules and filter of fixsmtpio, the rules of ofmipd, what clients log in with, the file of logins. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { canonical, formatAddress } from "../../lib/address.ts";
import { decodeLatin1, encodeLatin1 } from "../../lib/bytes.ts";
import { field, named } from "../../lib/message.ts";
import { findUser, formatHash, isLogin, parseUsers } from "../../lib/users.ts";
import { sendingAddresses } from "../../outgoing/owner.ts";
import { type FilterContext, filterReply, filterRequest } from "../../submit/fixsmtpio_filter.ts";
import { parseRules, problems } from "../../submit/fixsmtpio_rules.ts";
import { fnmatch } from "../../submit/fnmatch.ts";
import { parseNameRules, ruleFor, withFrom } from "../../submit/ofmipd_rules.ts";
import { checked, decodeBase64, loginCredentials, plainCredentials } from "../../submit/sasl.ts";
import { fuzz } from "./fuzz.ts";
import { addresses, anyBytes, anyText, orFail, piecesOf, words } from "./texts.ts";

const ruleText = piecesOf([
  ...[
    ":",
    "::",
    "\n",
    "#",
    " ",
    "*",
    "?",
    "[a-z]",
    "\\",
    "2*",
    "250",
    "-",
    "AUTHUP_USER",
    "greeting",
    "ehlo",
    "clienteof",
  ],
  ...["0", "255", "256", "&fixsmtpio_fixup", "&fixsmtpio_noop", "&fixsmtpio", "235 ok"],
]);

fuzz(
  "any rules of fixsmtpio are accepted, or rejected with the first of the problems that are listed",
  ruleText,
  (text) => {
    const found = problems(text, "/c/fixsmtpio");
    const rules = orFail(() => parseRules(text, "/c/fixsmtpio"), "config");
    assert.equal(rules === undefined, found.length > 0);
    for (const { line } of found) assert.ok(line! >= 1 && line! <= text.split("\n").length);
    for (const { exit, glob } of rules ?? []) {
      assert.ok(
        glob !== "" && (exit === undefined || (exit >= 0 && exit <= 255)),
      );
    }
  },
);

const label = fc.string({ unit: fc.constantFrom(..."ab Z9.-_("), maxLength: 8 });
const rule = fc.record({
  env: fc.constantFrom("", "AUTHUP_USER", "X"),
  event: fc.constantFrom("greeting", "ehlo", "mail", "quit"),
  prepend: fc.constantFrom("", "NOOP ", "x"),
  glob: fc.constantFrom("2*", "*", "[45]*", "250?SIZE*", "5?? *"),
  exit: fc.constantFrom(undefined, 0, 14, 255),
  response: fc.oneof(
    label.map((text) => ({ text: `250 ${text}x` })),
    fc.constantFrom("remove" as const, "keep" as const),
  ),
}, { noNullPrototype: true });
const written = (
  { env, event, prepend, glob, exit, response }: typeof rule extends fc.Arbitrary<infer R> ? R : never,
) =>
  `${env}:${event}:${prepend}:${glob}:${exit ?? ""}:${
    response === "remove" ? "" : response === "keep" ? "&fixsmtpio_noop" : response.text
  }`;

fuzz("a rule of fixsmtpio is read as it was written", fc.array(rule, { maxLength: 4 }), (rules) => {
  assert.deepEqual(parseRules(rules.map(written).join("\n"), "/c/fixsmtpio"), rules);
});

const replyLines = fc.array(fc.tuple(fc.constantFrom("220", "250", "421", "535", "554"), label), { maxLength: 5 });
const context = fc.tuple(fc.array(rule, { maxLength: 4 }), fc.boolean()).map(([rules, set]): FilterContext => {
  return { rules, host: "mx.example.org", isSet: () => set };
});

fuzz(
  "a filtered reply is one reply, and without a rule that matches it is unchanged",
  fc.tuple(context, replyLines, fc.constantFrom("greeting", "ehlo", "mail", "rset")),
  ([context, lines, event]) => {
    const reply = lines.map(([code, text], at) => `${code}${at === lines.length - 1 ? " " : "-"}${text}\r\n`).join("");
    const { text, exit } = filterReply(event, reply, context);
    const out = text.split("\r\n").slice(0, -1);
    assert.equal(text, out.map((line) => `${line}\r\n`).join(""));
    for (const [at, line] of out.entries()) assert.equal(line[3], at === out.length - 1 ? " " : "-", text);
    const active = context.rules.filter((one) => one.event === event && (one.env === "" || context.isSet(one.env)));
    if (active.length === 0) assert.deepEqual([text, exit], [reply, undefined]);
    assert.ok(filterRequest(event, "X\r\n", context).endsWith("X\r\n"));
  },
);

const glob = fc.array(fc.oneof(fc.constantFrom("*", "?", "\\*", "a", "b", ".", "\r", "\n"), fc.constant("[!ab]")), {
  maxLength: 8,
});

fuzz(
  "a pattern matches what the regular expression of the same meaning matches",
  fc.tuple(glob, fc.string({ unit: fc.constantFrom(..."abc.*\r\n"), maxLength: 12 })),
  ([parts, text]) => {
    const meaning: Record<string, string> = { "*": "[^]*", "?": "[^]", "\\*": "\\*", ".": "\\.", "[!ab]": "[^ab]" };
    const pattern = new RegExp(`^${parts.map((part) => meaning[part] ?? part).join("")}$(?![^])`);
    assert.equal(fnmatch(parts.join(""), text), pattern.test(text));
  },
);

fuzz(
  "any rules of ofmipd are accepted, or rejected with a line",
  piecesOf(["a@b.example", ":", "\n", "#", " ", "Greg", "greg@example.org", "\r", "@", "<", "\0"]),
  (text) => {
    const rules = orFail(() => parseNameRules(text, "/h/rules", []), "config");
    for (const key of rules?.keys() ?? []) {
      assert.ok(key !== "" && key === key.toLowerCase() && !/[:\n]/.test(key), key);
    }
  },
);

const plainAddresses = addresses.filter((one) =>
  !/[:\s]/.test(formatAddress(one)) && !/[[\]#]/.test(formatAddress(one))
);
const plainNames = words.filter((text) => !/[:\n]/.test(text) && text.trim() === text && text !== "");

fuzz(
  "a rule of ofmipd names the author of the message, and nobody else",
  fc.tuple(plainAddresses, plainAddresses, plainNames, fc.nat(3)),
  ([key, address, name, others]) => {
    const rules = parseNameRules(`${formatAddress(key)}:${name}:${formatAddress(address)}:\n`, "/h/rules", []);
    const found = ruleFor(rules, key);
    assert.deepEqual(found, { name, address });
    const header = [field("To", "x@y.example"), ...Array(others).fill(field("From", "eve@example.com"))];
    const changed = withFrom(header, found!);
    const from = changed.filter((one) => named(one, "From"));
    assert.equal(from.length, 1);
    assert.deepEqual(sendingAddresses(from, "", "").map(canonical), [canonical(address)]);
    assert.equal(changed.length, 2);
  },
);

const base64Text = piecesOf(["A", "=", "==", "+", "/", "AGdyZWcAc2VjcmV0", " ", "*", "AA", "\r"], 6);

fuzz(
  "whatever a client sends to log in yields credentials that checkpassword can read, or none",
  base64Text,
  (text) => {
    const all = [plainCredentials(text), loginCredentials(text, "c2VjcmV0"), loginCredentials("Z3JlZw==", text)];
    for (const found of all.filter((one) => one !== undefined)) {
      for (const part of [found.user, found.password]) {
        assert.ok(part !== "" && part.length <= 255 && !part.includes("\0"));
        assert.equal(decodeLatin1(encodeLatin1(part)), part);
      }
    }
    const decoded = decodeBase64(text);
    // Only the canonical form is accepted, or one whose unused bits are not zero.
    if (decoded !== undefined) assert.equal(encodeLatin1(decoded).toBase64().length, text.length);
  },
);

fuzz(
  "a login and a password arrive as they were sent",
  fc.tuple(anyBytes, anyBytes, anyBytes),
  ([authorization, user, password]) => {
    const encode = (text: string) => encodeLatin1(text).toBase64();
    const expected = checked(user, password);
    assert.deepEqual(loginCredentials(encode(user), encode(password)), expected);
    if (`${authorization}${user}${password}`.includes("\0")) return;
    assert.deepEqual(plainCredentials(encode(`${authorization}\0${user}\0${password}`)), expected);
  },
);

const HASH = "$scrypt$ln=14,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fuzz(
  "any file of logins is accepted, or rejected with a line",
  piecesOf([HASH, `greg:${HASH}`, "greg", "ann", ":", "\n", "#", " ", "/home", "root", "$scrypt$ln=99,r=8,p=1$"]),
  (text) => {
    for (const { login, user, home } of orFail(() => parseUsers(text, "/e/users"), "config") ?? []) {
      assert.ok(isLogin(login) && (home === "" || home.startsWith("/")) && !/[\s:]/.test(user), login);
    }
  },
);

const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
const hashes = fc.record({
  ln: fc.integer({ min: 10, max: 18 }),
  r: fc.integer({ min: 1, max: 8 }),
  p: fc.integer({ min: 1, max: 4 }),
  salt: bytes(9, 64),
  hash: bytes(17, 64),
}, { noNullPrototype: true });

fuzz(
  "the file of logins is read as it was written, and a login finds only its own line",
  fc.tuple(fc.uniqueArray(anyText.filter(isLogin), { maxLength: 4 }), hashes, fc.constantFrom("", "vmail"), anyText),
  ([logins, hash, user, other]) => {
    const home = user === "" ? "" : ":/var/vmail";
    const line = (login: string) => `${login}:${formatHash(hash)}${user === "" ? "" : `:${user}`}${home}\n`;
    const users = parseUsers(logins.map(line).join(""), "/e/users");
    assert.deepEqual(users.map((one) => one.login), logins);
    for (const one of users) {
      assert.deepEqual([one.user, one.home], [user, home.slice(1)]);
      const plain = ({ ln, r, p, salt, hash }: typeof one.hash) => [ln, r, p, [...salt], [...hash]];
      assert.deepEqual(plain(one.hash), plain(hash));
    }
    assert.equal(findUser(users, other)?.login, logins.includes(other) ? other : undefined);
  },
);
