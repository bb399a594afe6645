/** Requests to list software and its confirmation requests: a sample of ezmlm, the real mlmmj, Mailman's real text. */
import assert from "node:assert/strict";
import { cut, SAMPLES } from "../challenges.ts";
import { fieldOf } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { challenges, Member, PLAIN } from "./member.ts";
import { type Root, unpacked } from "./unpacked.ts";

/** Sends a request to list software. @returns the message as it was sent, with its envelope sender */
async function request(home: Member, to: string, text = ""): Promise<{ sender: string; mail: string }> {
  const ran = await home.shim(["--", to], text || `From: Greg <${PLAIN}>\nTo: ${to}\nSubject: please\n\n`);
  assert.equal(ran.code, 0, ran.stderr);
  const { sent } = home.transport();
  assert.deepEqual(sent.map(({ argv }) => argv.at(-1)), [to]);
  return { sender: sent[0]!.argv[2]!, mail: sent[0]!.mail };
}

/** Asserts that a challenge is delivered and not answered, and the ledger is unchanged. */
async function assertDelivered(home: Member, mail: string, sender: string): Promise<void> {
  home.empty();
  const before = home.ledger();
  const { end, runs } = await home.deliver({ to: PLAIN, mail }, sender);
  assert.equal(end, "success", runs.map(({ stdout }) => stdout).join());
  assert.deepEqual(home.transport().sent, []);
  assert.deepEqual([home.inbox().length, home.kept().length], [1, 0], home.logged);
  assert.deepEqual(home.ledger(), before);
}

/** Asserts that a challenge is answered, to this address only. @returns the answer */
async function assertAnswered(home: Member, mail: string, sender: string, to: string): Promise<string> {
  home.empty();
  assert.equal((await home.deliver({ to: PLAIN, mail }, sender)).end, "success");
  const { sent } = home.transport();
  assert.deepEqual(sent.map(({ argv }) => argv.slice(2)), [[PLAIN, "--", to]], home.logged);
  assert.deepEqual([home.inbox().length, home.kept().length], [0, 1]);
  return sent[0]!.mail;
}

/** Replaces the joe of the samples by greg, also within a local part. */
const gregs = (text: string): string =>
  text.replaceAll("joe@example.net", PLAIN).replaceAll("joe=example.net", PLAIN.replace("@", "="));

Deno.test("ezmlm: the user's own request is confirmed once, to Reply-To", async (t) => {
  for (const name of ["ezmlm-idx-sub-confirm", "ezmlm-idx-unsub-confirm", "ezmlm-idx-sub-confirm-mime"]) {
    await t.step(name, async () => {
      const [frame, quoted, rest] = cut(SAMPLES.get(name)!).map(gregs) as [string, string, string];
      const sample = gregs(SAMPLES.get(name)!);
      using home = new Member();
      await assertDelivered(home, sample, fieldOf(sample, "Return-Path"));
      const { sender, mail } = await request(home, fieldOf(quoted, "To"), quoted);
      assert.equal(sender, PLAIN, "list software recognizes greg by the envelope sender");
      const challenge = frame + mail + rest;
      // The answer goes neither to the -return- address nor to the null sender.
      const to = fieldOf(sample, "Reply-To");
      assert.match(to, /^test-[su]c\.\d+\.[a-p]{20}-greg=example\.org@lists\.example\.org$/);
      const answer = await assertAnswered(home, challenge, "test-return-@lists.example.org", to);
      assert.doesNotMatch(answer, /^(?:Mailing-List|Delivered-To|Precedence|Auto-Submitted):/im);
      await assertDelivered(home, challenge, "test-return-@lists.example.org");
      assert.match(home.logged, /already answered: check it yourself/);
    });
  }
});

const mlmmj = await unpacked("mlmmj");

/** A list of the real mlmmj, which sends its mail to the server. */
class Cats {
  constructor(readonly root: Root, readonly home: Member, port: number, delimiter: string) {
    const folders = "incoming queue/discarded archive text subconf unsubconf bounce control moderation subscribers.d " +
      "digesters.d requeue nomailsubs.d";
    for (const name of folders.split(" ")) Deno.mkdirSync(`${root.path}/list/${name}`, { recursive: true });
    const texts = "usr/share/mlmmj/text.skel/en";
    for (const name of root.list(texts)) root.write(`list/text/${name}`, root.read(`${texts}/${name}`));
    const control = {
      listaddress: "cats@lists.example.net",
      owner: "owner@lists.example.net",
      relayhost: "127.0.0.1",
      smtpport: String(port),
      delimiter,
    };
    for (const [name, text] of Object.entries(control)) root.write(`list/control/${name}`, `${text}\n`);
  }

  /** Delivers mail to an address of the list. */
  async receive(to: string, { sender, mail }: { sender: string; mail: string }): Promise<void> {
    const arrived = `Return-Path: <${sender}>\nDelivered-To: ${to}\n${mail}`;
    const ran = await this.root.run(this.home, ["/usr/bin/mlmmj-receive", "-F", "-L", "/list/"], arrived);
    assert.equal(ran.code, 0, ran.stderr);
  }

  subscribers(): string {
    return this.root.list("list/subscribers.d").map((name) => this.root.read(`list/subscribers.d/${name}`)).join("");
  }
}

// mlmmj's confirmation requests quote nothing and are of no known form, so greg must answer them.
for (const delimiter of ["+", "-"]) {
  mlmmj.test(`mlmmj with ${delimiter}: confirmation requests are delivered, never answered`, async () => {
    using home = new Member(challenges("requests = true"));
    await using root = await mlmmj.unpack();
    await using sink = new Sink();
    const list = new Cats(root, home, sink.port, delimiter);
    const subscribe = `cats${delimiter}subscribe@lists.example.net`;
    const sent = await request(home, subscribe);
    assert.deepEqual([sent.sender, home.ledger()["issued"]], [PLAIN, 1]);
    await list.receive(subscribe, sent);
    const [challenge] = await sink.until(1);
    const to = fieldOf(challenge!.mail, "Reply-To");
    assert.deepEqual(challenge!.to, [PLAIN]);
    assert.match(to, /^cats[-+]confsub-[0-9a-f]+-greg=example\.org@lists\.example\.net$/);
    for (const sender of [challenge!.from, ""]) await assertDelivered(home, challenge!.mail, sender);

    // greg confirms manually: the confirmation is not a request, and mlmmj recognizes the address.
    await list.receive(to, await request(home, to));
    await sink.until(2);
    assert.equal(list.subscribers(), `${PLAIN}\n`);
    assert.deepEqual(home.ledger(), { issued: 1, claimed: 0, spent: 0 });
    await assertDelivered(home, sink.accepted[1]!.mail, sink.accepted[1]!.from);
  });
}

const mailman = await unpacked("mailman3");

mailman.test("Mailman 3, with its own text: only confirmations of the user's own requests are answered", async (t) => {
  await using root = await mailman.unpack();
  const library = "usr/lib/python3/dist-packages/mailman";
  const source = root.read(`${library}/app/subscriptions.py`);
  const token = "0123456789abcdef0123456789abcdef01234567";
  const host = "lists.example.org";

  /** A confirmation request as app/subscriptions.py creates it. */
  const confirmation = (action: "subscribe" | "unsubscribe", list = "dev"): string => {
    const subject = `Your confirmation is needed to ${action === "subscribe" ? "join" : "leave"} the `;
    assert.ok(source.includes(`'${subject}'`) && source.includes("mailing list.'"), "the subject is still Mailman's");
    const fields: Record<string, string> = {
      domain: host,
      user_email: PLAIN,
      request_email: `${list}-request@${host}`,
      owner_email: `${list}-owner@${host}`,
      token,
    };
    const template = root.read(`${library}/templates/en/list:user:action:${action}.txt`);
    const text = template.replace(/\$(\w+)/g, (name, field) => fields[field] ?? name);
    assert.ok(text.includes(PLAIN) && text.includes(token), text);
    return `Content-Type: text/plain; charset="us-ascii"
MIME-Version: 1.0
Content-Transfer-Encoding: 7bit
Subject: ${subject}${list}@${host} mailing list.
From: ${list}-confirm+${token}@${host}
To: ${PLAIN}
Auto-Submitted: auto-generated
Message-ID: <179515080012.4711.12345@${host}>
Date: ${new Date().toUTCString().replace("GMT", "+0000")}

${text}`;
  };
  const from = `dev-bounces@${host}`;
  const on = challenges("requests = true");

  for (const [action, to] of [["subscribe", "dev-join"], ["unsubscribe", "dev-leave"]] as const) {
    await t.step(`${to}: answered once`, async () => {
      using home = new Member(on);
      assert.equal((await request(home, `${to}@${host}`)).sender, PLAIN);
      await assertAnswered(home, confirmation(action), from, `dev-confirm+${token}@${host}`);
      await assertDelivered(home, confirmation(action), from);
      assert.match(home.logged, /already answered: check it yourself/);
    });
  }
  const table: [what: string, settings: string, requests: string[]][] = [
    ["requests are not answered", challenges(), ["dev-subscribe", "dev-join"]],
    ["greg sent no request", on, []],
    ["greg's requests went to another list", on, ["ops-join", "dev"]],
    ["greg requested to leave", on, ["dev-leave"]],
    ["greg sent two requests", on, ["dev-join", "dev-subscribe"]],
  ];
  for (const [what, settings, requests] of table) {
    await t.step(`${what}: delivered`, async () => {
      using home = new Member(settings);
      for (const to of requests) await request(home, `${to}@${host}`);
      await assertDelivered(home, confirmation("subscribe"), from);
      await assertDelivered(home, confirmation("subscribe"), "");
    });
  }
});
