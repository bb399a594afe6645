/** What the caller of a hook tells: arguments, environment, header, dot-qmail files. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { addressIn, CALLERS, envelope } from "../../incoming/delivery.ts";
import { whatFollows } from "../../hooks/dotqmail.ts";
import { callerIn, parseOptions } from "../../hooks/options.ts";
import { formatAddress } from "../../lib/address.ts";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import { fuzz } from "./fuzz.ts";
import { addresses, anyText, orFail, piecesOf } from "./texts.ts";

const options = ["--as", "--config", "--maildir", "--forward", "--sender", "--recipient", "--help", "--version"];
const argument = fc.oneof(
  fc.constantFrom(...options, ...CALLERS, "--maildir=/x", "a@x"),
  piecesOf([...options, ...CALLERS, "=", "--", "-", "a@x", "", "/x", "--as=qmail"], 3),
);

fuzz(
  "any command line of a hook is understood, or refused for a caller that is known",
  fc.array(argument, { maxLength: 6 }),
  (args) => {
    const caller = callerIn(args);
    assert.ok(CALLERS.includes(caller));
    const read = orFail(() => parseOptions(args), "usage");
    if (read === undefined || read.ask !== undefined) return;
    assert.ok(CALLERS.includes(read.caller));
    assert.ok(!(read.forward && read.maildir !== undefined));
    // All that was taken was given.
    for (const one of [read.config, read.maildir, read.sender, read.recipient]) {
      if (one !== undefined) assert.ok(args.some((argument) => argument === one || argument.endsWith(`=${one}`)), one);
    }
  },
);

const given = fc.record({
  caller: fc.constantFrom(...CALLERS.filter((one) => one !== "postfix")),
  sender: fc.option(addresses.map(formatAddress), { nil: undefined }),
  attached: fc.boolean(),
}, { noNullPrototype: true, requiredKeys: ["caller", "attached"] });

fuzz("a hook's command line written and read again is the same", given, ({ caller, sender, attached }) => {
  const words = [["--as", caller], ...(sender === undefined ? [] : [["--sender", sender]])];
  const args = words.flatMap(([name, value]) => attached ? [`${name}=${value}`] : [name!, value!]);
  assert.deepEqual(parseOptions(args), { caller, forward: false, ...(sender === undefined ? {} : { sender }) });
  assert.equal(callerIn(args), caller);
});

const NAMES = ["SENDER", "HOST", "DEFAULT", "EXT", "RECIPIENT", "ORIGINAL_RECIPIENT"];
const variables = piecesOf(["joe", "@", "example.net", "-", "<>", "#@[]", "MAILER-DAEMON", "SRS0=", "", "<", ">"], 5);
const environment = fc.dictionary(fc.constantFrom(...NAMES), variables, { noNullPrototype: true });
const header = piecesOf(
  ["Return-Path: ", "Delivered-To: ", "X-Original-To: ", "Received: x", "<joe@example.net>", "<>", "\n", "\n ", "\r\n"],
  12,
);

fuzz(
  "an envelope holds what the environment or the top of the header says, and nothing from below Received",
  fc.tuple(fc.constantFrom(...CALLERS), environment, header),
  async ([caller, variables, text]) => {
    const { header } = parseHead(encodeLatin1(text), true)!;
    const env = (name: string) => Promise.resolve(Object.hasOwn(variables, name) ? variables[name] : undefined);
    const { sender, recipients } = await envelope(caller, header, env, {});
    assert.ok(recipients.every((one) => one !== ""));
    const received = header.some(({ name }) => name.toLowerCase() === "received");
    if (!received && Object.keys(variables).length === 0) {
      assert.equal(sender, undefined);
      assert.deepEqual(recipients, []);
    }
    // A stranger's fields below change nothing.
    const more = parseHead(
      encodeLatin1(
        `${
          header.map(({ raw }) => `${raw}\n`).join("")
        }Received: y\nReturn-Path: <>\nDelivered-To: e@x\nX-Original-To: e@x\n\n`,
      ),
      true,
    )!;
    if (header.some(({ name }) => name.toLowerCase() === "received")) {
      assert.deepEqual(await envelope(caller, more.header, env, {}), { sender, recipients });
    }
  },
);

fuzz("an address in a text is one that can be written into a field, or none", fc.oneof(variables, anyText), (text) => {
  const found = addressIn(text);
  if (found !== undefined) assert.doesNotMatch(formatAddress(found), /[\r\n\0]/);
});

const dotqmail = piecesOf(["|", "incoming", "/usr/lib/", "./Maildir/", "&a@x", "#", "\n", " ", "\0", "\r"], 12);
const extensions = piecesOf(["greg", "-", "srs", ".", "/", "..", "\u0130", "A", "SRS0=", "default"], 5);

fuzz(
  "no dot-qmail file is looked for outside the home, whatever the extension",
  fc.tuple(extensions, fc.option(extensions), fc.option(dotqmail)),
  async ([ext, rest, text]) => {
    const env = (name: string) => Promise.resolve({ EXT: ext, DEFAULT: rest ?? undefined }[name]);
    const asked: string[] = [];
    const behind = await whatFollows("incoming", env, (path) => {
      asked.push(path);
      return text ?? undefined;
    });
    assert.ok(asked.length <= 1);
    // Without a dot no part of a path leads up; a slash leads into a folder below, as it does for qmail-local.
    for (const path of asked) assert.match(path, /^\.qmail[^.A-Z]*$/);
    assert.ok(["more", "last", "unknown"].includes(behind));
    if (asked.length === 0 || text === null || !/^\|[^\n]*incoming/m.test(text)) assert.equal(behind, "unknown");
  },
);
