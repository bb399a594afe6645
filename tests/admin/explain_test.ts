/** explain: its output is what the hook does, and nothing is changed. */
import assert from "node:assert/strict";
import { fields } from "../../admin/log/line.ts";
import { apart, bounceOfOurs, quotedPrintable, SAMPLES } from "../bounces.ts";
import { FORGED, FORGED_SRS, gregsHome, ORDINARY, settings } from "../programs/letters.ts";
import { Qsecretary } from "../qsecretary.ts";
import { fieldOf, Home, oneLine, qsbmf, ROOT } from "../rig.ts";
import { signed, stubTransport } from "../stub.ts";
import { conforms } from "./json.ts";
import { countersign, snapshot } from "./home.ts";
import { countersignHere } from "./resident.ts";

const PLAIN = "greg@example.org";
const FRIEND = "friend@friend.example";
const LOG = ".local/state/countersign/log";

/** The type of the output of `--json`. */
interface Explained {
  verdict: { action: string; result: string; check: string; reason: string; identity: string | null; outcome: string };
  bounce: boolean;
  envelope: { sender?: string | null; recipients: string[] };
  evidence: string | null;
  original: { messageId: string | null; tag: string | null };
  tags: { tag: string; messageId: string; by: string; identity: string | null }[];
  proof: boolean;
  notes: string[];
  checks: { check: string; answer: string; evidence: string }[];
  hint: string | null;
}

/** The kinds of calls, by their first two arguments, for which a process of its own was compared. */
const compared = new Set<string>();

/**
 * Explains a message; checks the format of the answer, and that the home is unchanged. The first call of each kind is
 * repeated as a user would do it, in a process of its own.
 */
async function explained(
  home: Home,
  args: readonly string[],
  mail: string,
  env: Record<string, string> = {},
): Promise<Explained> {
  const before = snapshot(home.path);
  const ran = await countersignHere(home, ["explain", "--json", ...args], mail, env);
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  const words = await countersignHere(home, ["explain", ...args], mail, env);
  assert.deepEqual([words.code, words.stderr], [0, ""]);
  const kind = args.slice(0, 2).join(" ");
  if (!compared.has(kind)) {
    compared.add(kind);
    assert.deepEqual(await countersign(home, ["explain", "--json", ...args], mail, env), ran);
    assert.deepEqual(await countersign(home, ["explain", ...args], mail, env), words);
  }
  assert.deepEqual(snapshot(home.path), before, "explain changed something");

  const all: Explained = conforms("explain --json", JSON.parse(ran.stdout));
  // The last check decided; all before it answered next.
  const last = all.checks.at(-1)!;
  assert.deepEqual([last.check, last.answer, last.evidence], [
    all.verdict.check,
    all.verdict.action,
    all.verdict.reason,
  ]);
  assert.ok(all.checks.slice(0, -1).every(({ answer }) => answer === "next"));
  // The text has the same checks in the same order.
  const { action, result, reason, outcome } = all.verdict;
  assert.ok(words.stdout.includes(`${action} (${result}): ${reason}\n`), words.stdout);
  assert.ok(words.stdout.endsWith(`${outcome}\n`) || all.hint !== null, words.stdout);
  let at = 0;
  for (const { check, evidence } of all.checks) {
    at = words.stdout.indexOf(`  ${check} `, at);
    assert.ok(at >= 0 && words.stdout.slice(at).split("\n")[0]!.endsWith(evidence), `${check}: ${words.stdout}`);
  }
  assert.doesNotMatch(words.stdout, /[^\n -~]/, "no control characters");
  return all;
}

for (const name of SAMPLES) {
  Deno.test(`${name}: forged without a valid tag, genuine with one`, async () => {
    using home = gregsHome();
    const to = ["--sender", "<>", "--recipient", PLAIN];
    const { mail, messageId, tag } = bounceOfOurs(name, PLAIN, new Date());
    const path = home.write("bounce.eml", mail);

    const genuine = await explained(home, [...to, path], "");
    assert.deepEqual(
      [genuine.verdict.action, genuine.verdict.result, genuine.verdict.check, genuine.verdict.identity],
      [
        "deliver",
        "genuine",
        "returned-header",
        PLAIN,
      ],
    );
    assert.deepEqual(genuine.original, { messageId: `<${messageId}>`, tag: tag.toLowerCase() });
    assert.deepEqual(genuine.tags.map((tag) => tag.identity), [PLAIN]);
    assert.deepEqual(genuine.envelope, { sender: null, recipients: [PLAIN] });
    assert.ok(genuine.bounce && genuine.evidence !== null);

    const another = bounceOfOurs(name, "eve@example.org", new Date());
    const forged = await explained(home, to, another.mail);
    assert.deepEqual([forged.verdict.action, forged.verdict.result], ["spam", "forged"]);
    assert.deepEqual(forged.tags.map((tag) => tag.identity), [null], "a tag of no identity is shown as such");
    assert.ok(forged.bounce);

    const bare = await explained(home, to, mail.replaceAll(/^.*X-Msgauth:.*\n/gm, ""));
    assert.deepEqual([bare.tags, bare.original], [[], { messageId: `<${messageId}>`, tag: null }]);

    const bySrs = await explained(home, ["--sender", "<>", "--recipient", signed()], another.mail);
    assert.deepEqual([bySrs.verdict.check, bySrs.verdict.result], ["signed-recipient", "genuine"]);
  });
}

Deno.test("a tag is printed with the place in which it was found", async () => {
  using home = gregsHome();
  const { mail } = bounceOfOurs("qmail-remote-550.eml", PLAIN, new Date());
  const { header, body } = apart(mail);
  const encoded = `${header.trimEnd()}\nContent-Transfer-Encoding: quoted-printable\n\n${
    quotedPrintable(body.replace("X-Msgauth: ", "=58-Msgauth: ")).replace("=3D58", "=58")
  }`;
  const args = ["--sender", "<>", "--recipient", PLAIN];
  assert.deepEqual((await explained(home, args, mail)).tags.map(({ by }) => by), ["bytes"]);
  assert.deepEqual((await explained(home, args, encoded)).tags.map(({ by }) => by), ["quoted-printable"]);
});

/** The outcome in the log, by the first words of the outcome of explain. */
const OUTCOMES: [string, string[]][] = [
  ["filed into ", ["filed"]],
  ["filed by ", ["filed"]],
  ["redirected", ["redirected"]],
  ["left to the next line", ["go-on"]],
  ["passed through", ["go-on"]],
  ["answered", ["answered"]],
  ["delivered", ["go-on", "delivered", "forwarded"]],
];

/** The settings of `[incoming]`, or all settings after the identity. */
type Row = [what: string, home: () => Home, args: string[], sender: string, recipient: string, mail: string];

function deliveries(): Row[] {
  const tagged = bounceOfOurs("postfix-remote-550.eml", PLAIN, new Date());
  const old = signed(30);
  const plain = () => gregsHome();
  const refusing = () => gregsHome('forged = "refuse"');
  const marking = () => gregsHome('forged = "mark"');
  const graceHome = () => {
    const home = new Home();
    home.settings(settings(home), `since = ${new Date().toISOString().slice(0, 10)}`);
    return home;
  };
  const byProgram = () => {
    const home = gregsHome();
    const program = home.write("file-it", "#!/bin/sh\ncat >/dev/null\n", 0o755);
    home.settings(settings(home, `spam_command = ["${program}"]`));
    return home;
  };
  const receipt = `From: jo@b.example\nSubject: Read\n\nread\n`;
  const rows: Row[] = [];
  for (const caller of ["qmail", "maildrop", "procmail", "postfix", "filter", "condredirect"]) {
    const as = ["--as", caller];
    // If nothing delivers after them and they have no destination, they defer.
    const into = caller === "postfix" || caller === "qmail" ? ["--maildir", "Maildir"] : [];
    rows.push(
      [`${caller}: forged`, plain, as, "", PLAIN, FORGED],
      [`${caller}: forged SRS`, plain, as, "", FORGED_SRS, FORGED],
      [`${caller}: forged SRS from a person, to be refused`, refusing, as, FRIEND, FORGED_SRS, FORGED],
      [`${caller}: forged, to be refused, from nobody`, refusing, as, "", PLAIN, FORGED],
      [`${caller}: genuine by its address`, plain, [...as, ...into], "", signed(), FORGED],
      [`${caller}: genuine by its tag`, plain, [...as, ...into], "", PLAIN, tagged.mail],
      [`${caller}: a person`, plain, [...as, ...into], FRIEND, PLAIN, ORDINARY],
      [`${caller}: not an identity`, plain, [...as, ...into], "", "ann@example.org", FORGED],
    );
  }
  const into = ["--as", "qmail", "--maildir", "Maildir"];
  rows.push(
    ["late", plain, into, "", old, FORGED],
    ["double bounce", plain, into, "#@[]", PLAIN, FORGED],
    ["a daemon", plain, into, "MAILER-DAEMON@mx.example.net", PLAIN, FORGED],
    ["not a bounce", plain, into, "", PLAIN, receipt],
    ["only marked", marking, into, "", PLAIN, FORGED],
    ["the grace period", graceHome, into, "", PLAIN, FORGED],
    ["filed by a program", byProgram, into, "", PLAIN, FORGED],
  );
  return rows;
}

const ALONE = "|/usr/local/lib/countersign/hooks/incoming\n";

/** [caller, sender, recipient, `[incoming]`, .qmail, whether a destination is missing] */
const places: [string, string, "signed" | "plain", string, string, boolean][] = [
  ["qmail", "", "signed", "", ALONE, true],
  ["qmail", FRIEND, "plain", "", ALONE, true],
  ["qmail", FRIEND, "plain", "", `${ALONE}./Maildir/\n`, false],
  ["qmail", "", "signed", "", "", false],
  ["qmail", "", "signed", "", "|~/bin/check\n", false],
  ["qmail", "", "signed", 'inbox = "~/Maildir"', ALONE, false],
  ["postfix", FRIEND, "plain", "", "", true],
  ["postfix", FRIEND, "plain", 'inbox = "~/Maildir"', "", false],
  ["maildrop", "", "signed", "", ALONE, false],
];
for (const [caller, sender, to, incoming, file, wanted] of places) {
  Deno.test(`explain says whether the hook needs a destination: ${caller} ${to} ${incoming} ${file}`, async () => {
    using home = gregsHome(incoming);
    if (file !== "") home.write(".qmail", file);
    const env = { SENDER: sender, RECIPIENT: to === "plain" ? PLAIN : signed() };
    const explanation = await explained(home, ["--as", caller], ORDINARY, env);
    assert.equal(
      explanation.verdict.outcome.endsWith("requires a destination in the hook's line, or incoming.inbox"),
      wanted,
    );
    const ran = await home.hook(["--as", caller], ORDINARY, env);
    assert.equal(/add --maildir, or set incoming\.inbox/.test(ran.stderr), wanted, ran.stderr);
  });
}

Deno.test("explain says that the hook defers if it cannot read the dot-qmail file", async () => {
  using home = gregsHome();
  Deno.symlinkSync(".qmail", `${home.path}/.qmail`);
  const env = { SENDER: "", RECIPIENT: signed() };
  const explanation = await explained(home, ["--as", "qmail"], ORDINARY, env);
  assert.match(explanation.verdict.outcome, /^deferred: \S+\/\.qmail: File cannot be read: /);
  oneLine(await home.hook([], ORDINARY, env), 75, /: \S+\/\.qmail: File cannot be read: /);
});

for (const [what, make, args, sender, recipient, mail] of deliveries()) {
  Deno.test(`explain prints the action of the hook: ${what}`, async () => {
    using home = make();
    const env = { SENDER: sender, RECIPIENT: recipient };
    const as = args.slice(0, 2);
    const explanation = await explained(home, as, mail, env);
    // The same with the envelope on the command line.
    const withOptions = await explained(home, [...as, "--sender", sender, "--recipient", recipient], mail);
    assert.deepEqual(withOptions.verdict, explanation.verdict);

    const ran = await home.hook(args, mail, env);
    const logged = fields(home.read(LOG).trimEnd());
    assert.deepEqual(
      [
        explanation.verdict.result,
        explanation.verdict.check,
        explanation.verdict.reason,
        explanation.verdict.identity ?? undefined,
      ],
      [logged["result"], logged["check"], logged["why"], logged["identity"]],
      ran.stderr,
    );
    const [, outcomes] = OUTCOMES.find(([words]) => explanation.verdict.outcome.startsWith(words))!;
    assert.ok(outcomes.includes(logged["outcome"]!), `${explanation.verdict.outcome}, but ${logged["outcome"]}`);
    const spam = home.mails("Maildir/.Spam").length;
    assert.equal(spam, explanation.verdict.outcome === `filed into ${home.path}/Maildir/.Spam` ? 1 : 0);
  });
}

Deno.test("explaining a challenge repeatedly does not change its entry, and it is answered once", async () => {
  using home = gregsHome();
  const [, list] = ["greg", "test@lists.example.org"];
  home.settings(`${stubTransport(home)}[challenge]\nanswer = true\nlists = ["${list}"]\nanswered = "~/kept"\n`);
  const sent = await home.shim(["--", list], `From: ${PLAIN}\nTo: ${list}\nSubject: Hello\n\nHi all.\n`);
  assert.equal(sent.code, 0, sent.stderr);
  const { mail } = new Qsecretary(list).take(signed(), home.read("stub.got"));
  const env = { SENDER: "", DEFAULT: signed().split("@")[0]!, HOST: "srs.example.org" };
  const args = ["--as", "qmail"];
  for (let times = 0; times < 2; times++) {
    const explanation = await explained(home, args, mail, env);
    assert.deepEqual([explanation.verdict.action, explanation.verdict.check], ["answer", "challenge"]);
  }
  const ran = await home.hook([...args, "--maildir", "Maildir"], mail, env);
  assert.equal(ran.code, 99, ran.stderr);
  assert.equal(fields(home.read(LOG).trimEnd().split("\n").at(-1)!)["outcome"], "answered");
  const again = await explained(home, args, mail, env);
  assert.deepEqual([again.verdict.action, again.verdict.check], ["deliver", "challenge"]);
  assert.match(again.verdict.reason, /it was already answered/);
  // As a filter the hook does not answer challenges.
  assert.notEqual((await explained(home, ["--as", "filter"], mail, env)).verdict.check, "challenge");
});

Deno.test("a reply to a sent message is known by the index of sent mail", async () => {
  using home = gregsHome();
  const sent = await home.shim(["--", FRIEND], `From: ${PLAIN}\nTo: ${FRIEND}\n\nHi.\n`);
  assert.equal(sent.code, 0, sent.stderr);
  const id = fieldOf(home.mails("out")[0]!, "Message-ID");
  const args = ["--sender", "", "--recipient", PLAIN];
  const away = (to: string) => `From: ${FRIEND}\nIn-Reply-To: ${to}\nSubject: Away\n\nI am away.\n`;
  assert.equal((await explained(home, args, away(id))).verdict.check, "reply");
  assert.equal((await explained(home, args, away("<other@example.org>"))).verdict.check, "forged");
});

Deno.test("the envelope is read from the header, also behind blank lines, and what is assumed is printed", async () => {
  using home = gregsHome();
  const env = { SENDER: "env@example.org", RECIPIENT: "env@example.org" };
  const { envelope, verdict, notes } = await explained(home, [], `\n\n${FORGED}`, env);
  assert.deepEqual([envelope, verdict.result], [{ sender: null, recipients: [PLAIN] }, "forged"]);
  assert.deepEqual(notes, [
    "blank lines before the header are ignored",
    "no field records the envelope sender; the message looks like a bounce and is judged as from <>",
    "no field records the envelope recipient; the addresses in To are used",
  ]);
  const words = await countersign(home, ["explain"], `Return-Path: <>\n${FORGED}`);
  assert.match(words.stdout, /^Note +no field records the envelope recipient; /m);
});

Deno.test("text from messages does not reach the terminal unescaped", async () => {
  using home = gregsHome();
  const evil = "\x1b]0;x\x07\x9b31m";
  const mail = qsbmf(PLAIN, `Message-ID: <${evil}>\nX-Msgauth: v1.k1.20000.${"a".repeat(8)}.${"b".repeat(26)}\n\nhi\n`);
  const explanation = await explained(home, ["--sender", evil, "--recipient", `${evil}@example.org`], mail);
  assert.equal(explanation.envelope.sender, evil, "JSON contains it unchanged");
  const ran = await countersign(home, ["explain", "--json", "--sender", evil], mail);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(ran.stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});

Deno.test("a refusal by a list is explained with the list and the advice", async () => {
  using home = gregsHome();
  const list = "talk@lists.example.org";
  const args = ["--sender", "", "--recipient", signed()];
  const mail = qsbmf(PLAIN, `From: ${PLAIN}\nTo: ${list}\n\nHi.\n`, "lists.example.org")
    .replace(/^<nobody.*\n.*$/m, `<${list}>:\nSorry, only subscribers may post.`);
  assert.equal((await explained(home, args, mail)).hint, `countersign plain add ${list}`);
  const words = await countersign(home, ["explain", ...args], mail);
  assert.match(words.stdout, new RegExp(`only subscribers may.*countersign plain add ${list.replace(".", "\\.")}`));
  assert.equal((await countersign(home, ["plain", "add", list])).code, 0);
  assert.match(
    (await explained(home, args, mail)).hint!,
    new RegExp(`^mail to ${list} already has the plain sender: is the identity subscribed`),
  );
  assert.equal((await explained(home, args, FORGED)).hint, null);
});

Deno.test("if countersign serve has to be asked and may not be, the command that may is printed", async () => {
  using home = new Home();
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n[state]\nlookup = "~/lookup"\n`);
  const ran = await countersign(home, ["explain", "--sender", "", "--recipient", PLAIN], FORGED);
  const command = `${Deno.execPath()} run -A ${ROOT}/main.ts countersign explain --sender '' --recipient ${PLAIN}`;
  oneLine(ran, 75, /^explain: \S+\/lookup: Request to countersign serve failed: .* is not permitted: /);
  assert.ok(ran.stderr.endsWith(`: ${command}\n`), ran.stderr);
});

/** [arguments, status, error message] */
const wrong: [string[], number, RegExp][] = [
  [["--frob"], 64, /Unknown option "--frob"/],
  [["--jsn"], 64, /Unknown option "--jsn": did you mean --json\?/],
  [["a", "b"], 64, /Unknown argument "b"/],
  [["--sender"], 64, /Option --sender needs a value/],
  [["--json=x"], 64, /Option --json takes no value/],
  [["--as", "exim"], 64, /Option --as "exim" is not one of qmail, /],
  [["--", "-t"], 64, /Unknown argument "-t"/],
  [["--out"], 64, /explain --out -- -t/],
  [["--out", "--sender", "", "--", "-t"], 64, /--sender cannot be combined with --out/],
  [["/nonexistent/mail"], 74, /: \/nonexistent\/mail: File cannot be read/],
  [["/"], 74, /^explain: \/: File cannot be read: Is a directory/m],
  [["--config", "/nonexistent/c"], 78, /: \/nonexistent\/c: Settings file does not exist: countersign init/],
];
for (const [args, code, says] of wrong) {
  Deno.test(`explain ${args.join(" ")} ends with ${code}`, async () => {
    using home = gregsHome();
    const before = snapshot(home.path);
    const ran = await countersign(home, ["explain", ...args], FORGED);
    oneLine(ran, code, says);
    assert.match(ran.stderr, /^explain: /);
    assert.equal(ran.stdout, "");
    assert.deepEqual(snapshot(home.path), before);
  });
}
