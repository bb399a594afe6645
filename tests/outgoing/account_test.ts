/** Which account sends a message, and which envelope sender it then gets. */
import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { utf8 } from "../../lib/bytes.ts";
import { errorText, Fail } from "../../lib/fail.ts";
import { parseHead } from "../../lib/message.ts";
import { accountsIn } from "../../lib/settings/accounts.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { accountOf, chooseAccount } from "../../outgoing/account.ts";
import { plan } from "../../outgoing/plan.ts";
import { randomBytes } from "../random.ts";

const NOW = new Date("2026-11-28T12:00:00Z");
const keys = [{ id: "1", created: 20785, secret: new Uint8Array(32).fill(7) }];

const HOME = account("home", 'from = ["greg@example.org", "*@home.example"]');
const WORK = account("work", 'from = ["*@work.example"]');
const DEFAULT = account("isp", "default = true");

function account(name: string, more: string): string {
  return `[[account]]\nname = "${name}"\nhost = "smtp.${name}.example"\n${more}\n`;
}

function settingsOf(accounts: string, top = "") {
  const identity = '[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n';
  const text = `domain = "home.example"\n${top}\ntransport.via = "smtp"\nprvs.receive = true\n${accounts}${identity}`;
  return parseConfig(text, { file: "/c", home: "/h" });
}

/** Plans a message with these fields. */
function planned(
  accounts: string,
  fields: string[],
  { from, top = "", mailboxLine = false, senderFromHeader = false }: {
    from?: string | null;
    top?: string;
    mailboxLine?: boolean;
    senderFromHeader?: boolean;
  } = {},
) {
  const settings = settingsOf(accounts, top);
  const identity = { address: parseAddress("greg@example.org"), srsDomain: "srs.example.org", keys };
  const sender = typeof from === "string" ? parseAddress(from) : from;
  const request = {
    sender,
    senderFromHeader,
    fullName: "",
    recipientsFrom: "arguments" as const,
    recipients: [parseAddress("ann@example.net")],
    dsn: {},
  };
  const { header } = parseHead(utf8(`${fields.join("\n")}\n\n`), true)!;
  const context = { settings, identities: [identity], accounts: accountsIn(settings), now: NOW, mailboxLine };
  return plan(request, header, { ...context, random: randomBytes() });
}

const RELAYED = "Received: from mx.example.com by example.org; Fri, 27 Nov 2026 12:00:00 +0000";

/** [what, accounts, header fields, account, why, -f] */
const CHOICES: [what: string, accounts: string, fields: string[], name: string, why: string, from?: string | null][] = [
  ["From", HOME + WORK, ["From: boss@work.example"], "work", "From boss@work.example"],
  ["in any case", HOME + WORK, ["From: Greg@EXAMPLE.org"], "home", "From Greg@EXAMPLE.org"],
  ["From before -f", HOME + WORK, ["From: a@work.example"], "work", "From a@work.example", "greg@example.org"],
  [
    "-f where From does not match",
    HOME + WORK,
    ["From: x@other.example"],
    "work",
    "-f a@work.example",
    "a@work.example",
  ],
  ["-f where From is broken", HOME + WORK, ["From: <<"], "home", "-f greg@example.org", "greg@example.org"],
  ["-f becomes a missing From", HOME + WORK, [], "work", "From a@work.example", "a@work.example"],
  ["a missing From is the first identity", WORK + HOME, [], "home", "From greg@example.org"],
  ["the default", HOME + DEFAULT, ["From: x@other.example"], "isp", "the default"],
  ["the default, for the null sender", HOME + DEFAULT, ["From: x@other.example"], "isp", "the default", null],
  ["a pattern before the default", DEFAULT + HOME, ["From: greg@example.org"], "home", "From greg@example.org"],
  [
    "the first pattern",
    account("all", 'from = ["*@*.example"]') + WORK,
    ["From: a@work.example"],
    "all",
    "From a@work.example",
  ],
  ["an address without a domain", HOME + WORK, ["From: root"], "home", "From root@home.example"],
  [
    "the Sender of several authors",
    HOME + WORK,
    ["From: greg@example.org, b@other.example", "Sender: a@work.example"],
    "work",
    "From a@work.example",
  ],
  [
    "not the Sender of one author",
    HOME + WORK,
    ["From: greg@example.org", "Sender: a@work.example"],
    "home",
    "From greg@example.org",
  ],
  ["the second author", HOME + WORK, ["From: x@other.example, a@work.example"], "work", "From a@work.example"],
  [
    "Resent-From",
    HOME + WORK,
    ["Resent-From: a@work.example", RELAYED, "From: greg@example.org"],
    "work",
    "Resent-From a@work.example",
  ],
  [
    "the newer Resent-From",
    HOME + WORK,
    ["Resent-From: a@work.example", "Resent-From: greg@example.org", RELAYED, "From: x@other.example"],
    "work",
    "Resent-From a@work.example",
  ],
  ["not the From of a relayed message", WORK + DEFAULT, [RELAYED, "From: a@work.example"], "isp", "the default"],
  [
    "not a Resent-From of another server",
    WORK + DEFAULT,
    [RELAYED, "Resent-From: a@work.example"],
    "isp",
    "the default",
  ],
  [
    "-f of a relayed message",
    WORK + DEFAULT,
    [RELAYED, "From: x@other.example"],
    "work",
    "-f a@work.example",
    "a@work.example",
  ],
  ["the only account", WORK, ["From: x@other.example"], "work", "the only account"],
];

for (const [what, accounts, fields, name, because, from] of CHOICES) {
  Deno.test(`account: ${what}`, () => {
    const { account } = planned(accounts, fields, from === undefined ? {} : { from });
    assert.deepEqual([account?.account.name, account?.because], [name, because]);
  });
}

Deno.test("account: none where mail leaves in another way", () => {
  const sender = parseAddress("greg@example.org");
  assert.equal(chooseAccount([], { block: [], relayed: false, sender, domain: "" }), undefined);
});

Deno.test("account: nothing below a mailbox line is the user's", () => {
  const fields = ["Resent-From: a@work.example", RELAYED];
  assert.equal(planned(WORK + DEFAULT, fields, { mailboxLine: true }).account?.because, "the default");
});

Deno.test("account: none matches, and none is the default", () => {
  const none = (says: string, fields: string[], from?: string | null) =>
    assert.throws(() => planned(HOME + WORK, fields, from === undefined ? {} : { from }), (error) => {
      assert.ok(error instanceof Fail && error.kind === "config", `${error}`);
      const fix = "add the address to account.from, or set account.default = true in one of them";
      assert.equal(errorText(error), `No account sends mail of ${says}: ${fix}`);
      return true;
    });
  none('"x@other.example"', ["From: x@other.example"]);
  none('"x@other.example"', ["From: x@other.example"], "y@other.example");
  none('"y@other.example"', [RELAYED, "From: a@work.example"], "y@other.example");
  none("a message without a sender", [RELAYED, "From: a@work.example"], null);
});

/** [top-level sender or rule, account's sender, scheme] */
const SENDERS: [rule: string, account: string, scheme: string][] = [
  ["srs", "", "srs"],
  ["srs", "srs", "srs"],
  ["srs", "prvs", "prvs"],
  ["srs", "plain", "plain"],
  ["prvs", "srs", "prvs"],
  ["prvs", "prvs", "prvs"],
  ["prvs", "plain", "plain"],
  ["plain", "srs", "plain"],
  ["plain", "prvs", "plain"],
  ["plain", "", "plain"],
];

for (const [rule, limit, scheme] of SENDERS) {
  Deno.test(`sender: of rule ${rule} and account ${limit || "without"} the weaker wins: ${scheme}`, () => {
    for (const top of [`sender = "${rule}"`, `sender = "srs"\nrule = [{ to = ["*"], sender = "${rule}" }]`]) {
      const found = planned(account("a", `sender = "${limit}"`), ["From: greg@example.org"], { top });
      assert.equal(found.scheme, scheme);
      const limited = limit !== "" && limit === scheme && rule !== scheme;
      assert.deepEqual(found.notes, limited ? [`the account accepts ${limit} at most`] : []);
    }
  });
}

Deno.test("--read-envelope-from: the author is the envelope sender of a message that is not signed", () => {
  const sender = (fields: string[], from?: string | null) => {
    const more = from === undefined ? {} : { from };
    const found = planned(HOME + DEFAULT, fields, { senderFromHeader: true, ...more }).envelope.sender;
    return found && `${found.local}@${found.domain}`;
  };
  assert.equal(sender(["From: Society <x@other.example>"]), "x@other.example");
  assert.equal(sender(["From: x@other.example, y@other.example", "Sender: z@other.example"]), "z@other.example");
  assert.match(String(sender(["From: greg@example.org"])), /^SRS0=/, "signed as without the option");
  assert.equal(sender(["From: x@other.example"], "y@other.example"), "y@other.example", "-f wins");
  assert.equal(sender(["From: x@other.example"], null), null);
  assert.equal(sender([RELAYED, "From: x@other.example"]), undefined, "the author of a relayed message is a stranger");
  assert.equal(planned(HOME + DEFAULT, ["From: x@other.example"]).envelope.sender, undefined);
});

Deno.test("the account of an address, for hooks", () => {
  const of = (accounts: string, address: string) =>
    accountOf(accountsIn(settingsOf(accounts)), parseAddress(address))?.name;
  assert.equal(of(HOME + WORK, "greg@example.org"), "home");
  assert.equal(of(HOME + DEFAULT, "joe@example.org"), "isp");
  assert.equal(of(WORK, "joe@example.org"), "work");
  assert.equal(accountOf([], parseAddress("joe@example.org")), undefined);
  const only = accountsIn(settingsOf(WORK)).map((one) => ({ ...one, default: false }));
  assert.equal(accountOf(only, parseAddress("joe@example.org"))?.name, "work", "a single account sends everything");
  assert.throws(() => of(HOME + WORK, "joe@example.org"), /No account sends mail of "joe@example\.org"/);
});
