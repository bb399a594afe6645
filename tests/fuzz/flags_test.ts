/** Command lines of sendmail and qmail-inject. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatAddress } from "../../lib/address.ts";
import { parseFlags } from "../../shim/flags.ts";
import { fuzz } from "./fuzz.ts";
import { addresses, orFail, piecesOf } from "./texts.ts";

const letters = [..."abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"].map((letter) => `-${letter}`);
const argument = piecesOf([
  ...letters,
  "--",
  "-",
  "-f",
  "-t",
  "a@x",
  "<>",
  ",",
  "never",
  "\n",
  "\r",
  "\0",
  "x",
  "@",
  "",
], 3);
const argv = fc.array(argument, { maxLength: 6 });
const names = fc.constantFrom("sendmail", "qmail-inject", "mailq", "newaliases", "shim");

fuzz("any command line is accepted or rejected with one line", fc.tuple(names, argv), ([name, args]) => {
  const read = orFail(() => parseFlags(name, args), "usage");
  if (read?.mode !== "send") return;
  const { sender, recipients, fullName, dsn } = read.request;
  for (const one of [...recipients, ...(sender ? [sender] : [])]) assert.doesNotMatch(formatAddress(one), /[\r\n\0]/);
  for (const one of [fullName, ...Object.values(dsn)]) assert.doesNotMatch(String(one), /[\r\n\0]/);
  for (const one of recipients) assert.ok(args.some((argument) => argument.includes(one.local)), one.local);
  // An option never becomes a recipient.
  for (const one of recipients) assert.ok(one.domain !== "" || !one.local.startsWith("-"), one.local);
});

const call = fc.record({
  sender: fc.option(addresses),
  recipients: fc.array(addresses, { minLength: 1, maxLength: 4 }),
  notify: fc.constantFrom("never", "success", "success,failure", "delay"),
  ret: fc.constantFrom("full", "hdrs"),
  attached: fc.boolean(),
}, { noNullPrototype: true });

fuzz("parseFlags reads the options as they were written", call, (given) => {
  const { sender, recipients, attached } = given;
  const written: [string, string][] = [["-f", sender === null ? "<>" : formatAddress(sender)], ["-N", given.notify]];
  const options = [...written, ["-R", given.ret]].flatMap(([flag, value]) =>
    attached ? [flag! + value] : [flag!, value!]
  );
  const to = recipients.map(formatAddress);
  const expected = { sender, recipients, fullName: "", recipientsFrom: "arguments" };
  const dsn = { notify: given.notify, ret: given.ret };
  const read = parseFlags("sendmail", [...options, "-oi", "--", ...to]);
  assert.deepEqual(read, { mode: "send", request: { ...expected, dsn } });
  const qmail = parseFlags("qmail-inject", [...options.slice(0, attached ? 1 : 2), "-a", "--", ...to]);
  assert.deepEqual(qmail, { mode: "send", request: { ...expected, dsn: {} } });
});
