/** The input of a hook: arguments, environment, header and dot-qmail files. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { addressIn, CALLERS, envelope } from "../../incoming/delivery.ts";
import { whatFollows } from "../../hooks/dotqmail.ts";
import { callerIn, parseOptions } from "../../hooks/options.ts";
import { formatAddress } from "../../lib/address.ts";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import { pathOf } from "../../lib/settings/mailbox.ts";
import { fuzz } from "./fuzz.ts";
import { addresses, anyText, orFail, piecesOf } from "./texts.ts";

const options = ["--as", "--config", "--maildir", "--mbox", "--forward", "--sender", "--recipient", "--help"];
const argument = fc.oneof(
  fc.constantFrom(...options, ...CALLERS, "--maildir=/x", "a@x"),
  piecesOf([...options, ...CALLERS, "=", "--", "-", "a@x", "", "/x", "--as=qmail"], 3),
);

fuzz(
  "any command line of a hook is accepted, or rejected for a known caller",
  fc.array(argument, { maxLength: 6 }),
  (args) => {
    const caller = callerIn(args);
    assert.ok(CALLERS.includes(caller));
    const read = orFail(() => parseOptions(args), "usage");
    if (read === undefined || read.text !== undefined) return;
    assert.ok(CALLERS.includes(read.caller));
    assert.ok(!(read.forward && read.mailbox !== undefined));
    // Every value comes from the arguments.
    for (const value of [read.config, read.mailbox && pathOf(read.mailbox), read.sender, read.recipient]) {
      if (value !== undefined) {
        assert.ok(args.some((argument) => argument === value || argument.endsWith(`=${value}`)), value);
      }
    }
  },
);

const given = fc.record({
  caller: fc.constantFrom(...CALLERS.filter((one) => one !== "postfix")),
  sender: fc.option(addresses.map(formatAddress), { nil: undefined }),
  attached: fc.boolean(),
}, { noNullPrototype: true, requiredKeys: ["caller", "attached"] });

fuzz("parseOptions reads the options as they were written", given, ({ caller, sender, attached }) => {
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
  "the envelope comes from the environment or the top of the header, never from below Received",
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
    // Fields below Received change nothing.
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

fuzz(
  "addressIn returns an address that can be written to a field, or undefined",
  fc.oneof(variables, anyText),
  (text) => {
    const found = addressIn(text);
    if (found !== undefined) assert.doesNotMatch(formatAddress(found), /[\r\n\0]/);
  },
);

const dotqmail = piecesOf(["|", "incoming", "/usr/lib/", "./Maildir/", "&a@x", "#", "\n", " ", "\0", "\r"], 12);
const extensions = piecesOf(["greg", "-", "srs", ".", "/", "..", "\u0130", "A", "SRS0=", "default"], 5);

fuzz(
  "no dot-qmail file outside the home is read, whatever the extension",
  fc.tuple(extensions, fc.option(extensions), fc.option(dotqmail)),
  async ([ext, rest, text]) => {
    const env = (name: string) => Promise.resolve({ EXT: ext, DEFAULT: rest ?? undefined }[name]);
    const paths: string[] = [];
    const asked = whatFollows("incoming", env, (path) => {
      paths.push(path);
      return text ?? undefined;
    });
    // The name of the file cannot be known.
    if (ext.includes("\ufffd") && (rest === null || ext.endsWith(rest))) {
      const failed = await asked.then(() => undefined, (error) => error.kind);
      if (failed !== undefined) return assert.deepEqual([failed, paths], ["temporary", []]);
    }
    const follows = await asked;
    assert.ok(paths.length <= 1);
    // A path without further dots cannot leave the folder; a slash leads to a folder below, as with qmail-local.
    for (const path of paths) assert.match(path, /^\.qmail[^.A-Z]*$/);
    assert.ok(["more", "last", "unknown"].includes(follows));
    if (paths.length === 0 || text === null || !/^\|[^\n]*incoming/m.test(text)) assert.equal(follows, "unknown");
  },
);
