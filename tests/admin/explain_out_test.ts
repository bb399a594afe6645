/** explain --out: its output is what the shim then sends. */
import assert from "node:assert/strict";
import { fieldOf, Home, ledgerFiles, oneLine } from "../rig.ts";
import { nothingSent, stub, stubArguments, stubRuns, stubTransport } from "../stub.ts";
import { conforms } from "./json.ts";
import { countersign, snapshot } from "./home.ts";
import { commandHere } from "./resident.ts";

const PLAIN = "greg@example.org";
const LIST = "talk@lists.example.org";
const MAIL = `From: Greg <${PLAIN}>\nTo: ann@example.net\nCc: ${LIST}\nBcc: secret@example.com\nSubject: Hi\n\nHi.\n`;
const COMPLETE = MAIL.replace("Subject", "Message-ID: <1@example.org>\nDate: Fri, 20 Nov 2026 12:00:00 +0000\nSubject");

interface Planned {
  scheme: string;
  identity: string | null;
  sender?: string | null;
  recipients: { address: string; wanted: string; remembered: boolean }[];
  added: string[];
  removed: string[];
  notes: string[];
  account?: { name: string; because: string };
  transport: string[];
}

async function planned(home: Home, argv: readonly string[], mail: string, file?: string): Promise<Planned> {
  const before = snapshot(home.path);
  const ran = await commandHere(home, ["explain", "--out", "--json", ...file ? [file] : [], "--", ...argv], mail);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  const text = await commandHere(home, ["explain", "--out", ...file ? [file] : [], "--", ...argv], mail);
  assert.deepEqual([text.code, text.stderr], [0, ""]);
  assert.deepEqual(snapshot(home.path), before, "explain changed something");
  nothingSent(home);
  const all: Planned = conforms("explain --out --json", JSON.parse(ran.stdout));
  assert.ok(text.stdout.includes(`(${all.scheme})\n`), text.stdout);
  for (const { address } of all.recipients) assert.match(text.stdout, new RegExp(`^Recipient +${address}`, "m"));
  for (const note of all.notes) assert.ok(text.stdout.includes(note));
  const account = all.account && `${all.account.name} (${all.account.because})`;
  assert.equal(/^Account +(.*)$/m.exec(text.stdout)?.[1], account);
  return all;
}

const RULES = `[[rule]]\nto = ["*@lists.example.org"]\nsender = "plain"\n`;
const lines = (header: string, name: string) => header.split("\n").filter((line) => line.startsWith(`${name}:`)).length;

/** [what, settings after the identity, arguments, message] */
const table: [string, string, string[], string][] = [
  ["recipients of the header", "", ["-t"], MAIL],
  ["a complete message", "", ["ann@example.net"], COMPLETE],
  ["a sender", "", ["-oi", "-f", PLAIN, "--", "ann@example.net"], MAIL],
  ["a sender who is not an identity", "", ["-f", "eve@example.net", "ann@example.net"], MAIL],
  ["the null sender", "", ["-f", "<>", "ann@example.net"], MAIL],
  ["no sender, and an author who is not an identity", "", ["ann@example.net"], MAIL.replace(PLAIN, "eve@example.net")],
  ["already relayed", "", ["-f", PLAIN, "ann@example.net"], `Received: x\n${MAIL}`],
  ["a rule", RULES, [LIST], MAIL],
  ["rules that disagree", RULES, ["-t"], MAIL],
  ["a command to a list", "", ["talk-subscribe@lists.example.org"], MAIL],
  ["no tag", "[tag]\nsign = false\n", ["ann@example.net"], COMPLETE],
];
for (const [what, more, argv, mail] of table) {
  Deno.test(`explain --out prints what the shim sends: ${what}`, async () => {
    using home = new Home();
    home.settings(`${stubTransport(home)}${more}`);
    const explained = await planned(home, argv, mail);
    const ran = await home.shim(argv, mail);
    assert.equal(ran.code, 0, ran.stderr);
    // Timestamp and hash of SRS change with the day, which may end between the two runs.
    const day = (text: string) => text.replace(/SRS0=[^=]+=[^=]+=/, "SRS0=");
    assert.deepEqual(explained.transport.map(day), [`${home.path}/stub`, ...stubArguments(home)].map(day));
    assert.equal(explained.sender === undefined, !stubArguments(home).includes("-f"));
    assert.deepEqual(
      explained.recipients.map(({ address }) => address),
      stubArguments(home).slice(stubArguments(home).indexOf("--") + 1),
    );

    const went = home.read("stub.got").split("\n\n")[0]!;
    const came = mail.split("\n\n")[0]!;
    for (const name of ["From", "Date", "Message-ID", "X-Msgauth", "Bcc", "Subject"]) {
      const more = explained.added.filter((raw) => raw.startsWith(`${name}:`)).length;
      const less = explained.removed.filter((one) => one === name).length;
      assert.equal(lines(came, name) + more - less, lines(went, name), name);
    }
    const log = home.read(".local/state/countersign/log");
    assert.ok(log.includes(` scheme=${explained.scheme} `), log);
    assert.equal(/ identity=(\S+)/.exec(log)?.[1], explained.identity ?? undefined);
    for (const note of explained.notes) assert.ok(log.includes(note), log);
  });
}

Deno.test("a list that was added gets the plain sender, as explain says", async () => {
  using home = new Home();
  const argv = ["--", LIST];
  assert.equal((await planned(home, argv, MAIL)).scheme, "srs");
  assert.equal((await countersign(home, ["plain", "add", LIST])).code, 0);
  const explained = await planned(home, argv, MAIL);
  assert.deepEqual([explained.scheme, explained.sender, explained.recipients], [
    "plain",
    PLAIN,
    [{ address: LIST, wanted: "plain", remembered: false }],
  ]);
  assert.equal((await home.shim(argv, MAIL)).code, 0);
  assert.equal(fieldOf(home.mails("out")[0]!, "Return-Path"), `<${PLAIN}>`);
});

Deno.test("explain names the account and why it was chosen", async () => {
  using home = new Home();
  const account = (name: string, more: string) =>
    `[[account]]\nname = "${name}"\nhost = "smtp.${name}.example"\n${more}\n`;
  const accounts = account("isp", "default = true") +
    account("work", 'from = ["*@work.example"]\nsender = "plain"\nsecurity = "starttls"');
  home.settings(`[transport]\nvia = "smtp"\n${accounts}`);
  const isp = await planned(home, ["ann@example.net"], MAIL);
  assert.deepEqual(isp.account, { name: "isp", because: "the default" });
  assert.deepEqual([isp.transport, isp.scheme, isp.notes], [["smtp.isp.example:465"], "srs", []]);
  const work = await planned(home, ["-f", "greg@work.example", "ann@example.net"], MAIL);
  assert.deepEqual(work.account, { name: "work", because: "-f greg@work.example" });
  assert.deepEqual(work.transport, ["smtp.work.example:587"]);
  home.settings(`[transport]\nvia = "smtp"\n${account("work", 'sender = "plain"')}`);
  const one = await planned(home, ["ann@example.net"], MAIL);
  assert.deepEqual(one.account, { name: "work", because: "the only account" });
  assert.deepEqual([one.scheme, one.notes], ["plain", ["the account accepts plain at most"]]);
  home.settings(`[transport]\nvia = "smtp"\nhost = "smtp.example.org"\n`);
  assert.equal((await planned(home, ["ann@example.net"], MAIL)).account, undefined);
  home.settings(
    `[transport]\nvia = "smtp"\n${account("a", 'from = ["a@a.example"]')}${account("b", 'from = ["b@b.example"]')}`,
  );
  const ran = await countersign(home, ["explain", "--out", "--", "ann@example.net"], MAIL);
  oneLine(
    ran,
    78,
    /^explain: No account sends mail of "greg@example\.org": add the address to account\.from/,
  );
});

Deno.test("explain says which challenges will be answered", async () => {
  using home = new Home();
  home.settings(`${stubTransport(home)}[challenge]\nanswer = true\nlists = ["${LIST}"]\n`);
  const explained = await planned(home, ["-t"], MAIL);
  assert.deepEqual(explained.recipients.filter((one) => one.remembered).map((one) => one.address), [LIST]);
  await home.shim(["-t"], MAIL);
  assert.equal(ledgerFiles(`${home.path}/.local/state/countersign/ledger`).issued.length, 1);
});

Deno.test("the arguments may begin with the program, and the message may be a file", async () => {
  using home = new Home();
  home.settings(stubTransport(home));
  const file = home.write("draft", COMPLETE);
  for (const first of [[], ["sendmail"], ["/usr/sbin/sendmail"], ["shim"]]) {
    const explained = await planned(home, [...first, "-oi", "ann@example.net"], "", file);
    assert.deepEqual(explained.recipients.map(({ address }) => address), ["ann@example.net"]);
  }
  // qmail-inject has other flags.
  const injected = await planned(home, ["/var/qmail/bin/qmail-inject", "-h"], "", file);
  assert.deepEqual(injected.recipients.map(({ address }) => address), ["ann@example.net", LIST, "secret@example.com"]);
});

Deno.test("options of the real sendmail are left to it", async () => {
  using home = new Home();
  const real = async (flag = "-bs") => (await countersign(home, ["explain", "--out", "--", flag])).stdout;
  assert.equal(await real(), "-bs: refused: transport.real is not set\n");
  assert.equal(await real("-bi"), "-bi: nothing to do: transport.real is not set\n");
  home.settings(`[transport]\npreset = "sendmail"\nreal = ["${stub(home)}", "-x"]\n`);
  assert.equal(await real(), `-bs: left to ${home.path}/stub -x\n`);
  const json = await countersign(home, ["explain", "--out", "--json", "--", "-bs"]);
  const answer = conforms("explain --out --json -- -bs", JSON.parse(json.stdout));
  assert.deepEqual(answer, { version: 1, real: "-bs", outcome: `left to ${home.path}/stub -x` });
  assert.equal(stubRuns(home), 0);
});

/** [arguments after --, message]: status and error are those of the shim */
const refused: [string[], string][] = [
  [["-t"], "From: greg@example.org\n\nHi.\n"],
  [["-t"], `From: greg@example.org\nTo: <broken\n\nHi.\n`],
  [["--frob", "ann@example.net"], MAIL],
  [["-f", "a b", "ann@example.net"], MAIL],
  [["ann@example.net"], MAIL.replace("Subject", "Message-ID: <1@x>\nMessage-ID: <2@x>\nSubject")],
];
for (const [argv, mail] of refused) {
  Deno.test(`explain --out rejects what the shim rejects: ${argv.join(" ")}`, async () => {
    using home = new Home();
    const explained = await countersign(home, ["explain", "--out", "--", ...argv], mail);
    const ran = await home.shim(argv, mail);
    oneLine(explained, ran.code, /^explain: /);
    assert.notEqual(ran.code, 0);
    assert.equal(explained.stderr.replace(/^explain: /, ""), ran.stderr.replace(/^shim: /, ""));
  });
}
