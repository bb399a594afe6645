/**
 * The account for any header: one is found where there is a default, it does not depend on strangers, and it limits the
 * sender.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatAddress } from "../../lib/address.ts";
import { encodeLatin1 } from "../../lib/bytes.ts";
import { parseHead } from "../../lib/message.ts";
import type { Account } from "../../lib/settings/accounts.ts";
import { parseFlags } from "../../shim/flags.ts";
import { type Plan, plan } from "../../outgoing/plan.ts";
import { chair, joe, now, settings } from "../challenges.ts";
import { fuzz } from "./fuzz.ts";
import { orFail, piecesOf } from "./texts.ts";
import { randomBytes } from "../random.ts";

const pieces = piecesOf(
  [
    "From: ",
    "Sender: ",
    "Resent-From: ",
    "Resent-Sender: ",
    "Message-ID: <1@x>",
    "Received: x",
    "Delivered-To: x",
    "joe@example.net",
    "Joe <JOE@Example.Net>",
    "eve@example.com",
    "root",
    "<<",
    "(c) ",
    ", ",
    "\n",
    "\n",
    "\n",
    "\n ",
    "\0",
  ],
  20,
);
const senders = fc.option(fc.constantFrom("joe@example.net", "eve@example.com", "<>"));

const account = (name: string, more: Partial<Account>): Account => ({
  ...{ name, table: "account", host: `${name}.example`, port: 0, security: "tls", ca: "", user: "" },
  ...{ password_file: "", password_command: [], oauth2_command: [], sender: "", from: [], default: false },
  ...{ helo: "x", timeout: 0 },
  ...more,
});
const JOES = account("joe", { from: ["joe@*"], sender: "plain" });
const EVES = account("eve", { from: ["eve@example.com"] });
const DEFAULT = account("isp", { default: true, sender: "prvs" });

/** Plans the message with these accounts; undefined for a message that the shim rejects. */
function planned(text: string, from: string | null, accounts: readonly Account[]): Plan | undefined {
  const args = [...from === null ? [] : ["-f", from], "--read-envelope-from", "--", "ann@example.net"];
  const invocation = parseFlags("sendmail", args);
  if (invocation.mode !== "send") throw new Error("unreachable");
  const { header } = parseHead(encodeLatin1(text), true)!;
  const context = { settings: settings(), identities: [joe, chair], accounts, now, random: randomBytes() };
  return orFail(() => plan(invocation.request, header, context), "usage", "data", "config", "address-invalid", "no-at");
}

fuzz("with a default there is an account, whose sender is not exceeded", fc.tuple(pieces, senders), ([text, from]) => {
  const found = planned(text, from, [JOES, EVES, DEFAULT]);
  if (found === undefined) return;
  const { account, because } = found.account!;
  if (found.identity !== undefined) {
    assert.equal(account === JOES && found.scheme !== "plain", false, "JOES accepts only plain");
    assert.equal(account === DEFAULT && found.scheme === "srs", false, "DEFAULT accepts prvs at most");
  }
  // What a server has relayed was not written by the user: only the option and fields above it count.
  const { header } = parseHead(encodeLatin1(text), true)!;
  const relayed = header.findIndex(({ name }) => /^(?:received|delivered-to)$/i.test(name));
  const resent = header.slice(0, Math.max(relayed, 0)).some(({ name }) => /^resent-from$/i.test(name));
  if (relayed >= 0 && !resent && !because.startsWith("-f")) assert.equal(account, DEFAULT, because);
  if (because.startsWith("-f")) assert.equal(because, `-f ${from}`);
});

fuzz(
  "without a default, a message of nobody is an error, and any other has its account",
  fc.tuple(pieces, senders),
  ([text, from]) => {
    const withDefault = planned(text, from, [JOES, EVES, DEFAULT]);
    const without = planned(text, from, [JOES, EVES]);
    if (withDefault === undefined) return;
    const { account } = withDefault.account!;
    assert.equal(without?.account?.account.name, account === DEFAULT ? undefined : account.name);
    const { sender } = without?.envelope ?? {};
    if (sender) assert.doesNotMatch(formatAddress(sender), /[\r\n\0]/);
  },
);
