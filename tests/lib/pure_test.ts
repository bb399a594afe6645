import assert from "node:assert/strict";
import { randomNonce } from "../random.ts";

const SECRET = "not a real secret";
const NOW = new Date("2026-11-20T05:32:58Z");
const SOURCE = { file: "/etc/config.toml", home: "/home/greg" };
const KEYS = `k1 2026-11-01 ${SECRET}`;

/** One use of each module, imported here so that its top level also runs without any permission. */
const USES: Record<string, () => Promise<void>> = {
  async accounts() {
    const { accountsIn } = await import("../../lib/settings/accounts.ts");
    const { parseConfig } = await import("../../lib/settings/parse.ts");
    const text = 'transport.via = "smtp"\ntransport.host = "h"\n[[identity]]\naddress = "greg@example.org"\n';
    assert.deepEqual(accountsIn(parseConfig(text, SOURCE)).map(({ host }) => host), ["h"]);
  },
  async address() {
    const { parseAddress } = await import("../../lib/address.ts");
    assert.equal(parseAddress("greg@example.org").local, "greg");
  },
  async bytes() {
    const { base32, utf8 } = await import("../../lib/bytes.ts");
    assert.equal(base32(utf8("foobar")), "mzxw6ytboi");
  },
  async information() {
    const { information } = await import("../../lib/information.ts");
    assert.equal(information("-h", "Usage: x\n"), "Usage: x");
  },
  async parse() {
    const { parseConfig } = await import("../../lib/settings/parse.ts");
    const text = '[[identity]]\naddress = "greg@example.org"\n[transport]\npreset = "exim"\n';
    assert.equal(parseConfig(text, SOURCE).transport.preset, "exim");
  },
  async compared() {
    const { COMPARED_FIELDS, comparedFields } = await import("../../lib/compared.ts");
    const { field } = await import("../../lib/message.ts");
    const texts = comparedFields([field("Subject", "=?utf-8?q?x?=")]);
    assert.equal(texts[COMPARED_FIELDS.indexOf("Subject")], "x");
  },
  async date() {
    const { dayOf } = await import("../../lib/date.ts");
    assert.equal(dayOf(new Date(86_400_000)), 1);
  },
  async doorbell() {
    const { checkDoorbells, DOORBELL } = await import("../../lib/settings/doorbell.ts");
    assert.equal(DOORBELL.hourly.fallback, 60);
    checkDoorbells({ doorbell: [], identity: [], state: { redis: "" } }, () => assert.fail());
  },
  async envelope() {
    const { fromXtext, toXtext } = await import("../../lib/envelope.ts");
    assert.equal(fromXtext(toXtext("a b+=é\n")), "a b+=é\n");
  },
  async fail() {
    const { Fail, quote } = await import("../../lib/fail.ts");
    assert.equal(new Fail("data", quote("\n")).message, '"\\n"');
  },
  async glob() {
    const { glob } = await import("../../lib/glob.ts");
    assert.ok(glob("greg+*@example.org", "greg+lists@example.org"));
  },
  async groups() {
    const { isGroupOf } = await import("../../lib/settings/groups.ts");
    assert.ok(isGroupOf(1000, [1000], "greg:x:1000:1000::/:\n", "greg:x:1000:\n"));
  },
  async hmac() {
    const { purposeMac } = await import("../../lib/hmac.ts");
    assert.equal(purposeMac(SECRET, "tag", ["a"]).length, 32);
  },
  async identity() {
    const { identityOf } = await import("../../lib/settings/identity.ts");
    assert.equal(identityOf([], "greg@example.org"), undefined);
  },
  async keys() {
    const { validKeys, parseKeys } = await import("../../lib/settings/keys.ts");
    assert.equal(validKeys(parseKeys(KEYS, "keys"), NOW).length, 1);
  },
  async lists() {
    const { parseLists } = await import("../../lib/settings/lists.ts");
    assert.deepEqual(parseLists("A@b.example # x\n", "/l"), ["a@b.example"]);
  },
  async values() {
    const { describe, flag } = await import("../../lib/settings/values.ts");
    assert.equal(describe(flag(false, "").type), "true or false");
  },
  async moved() {
    const { parseMoved } = await import("../../lib/settings/moved.ts");
    assert.deepEqual([...parseMoved("A@b.example c@d.example # x\n", "/m")], [["a@b.example", "c@d.example"]]);
  },
  async log() {
    const { logLine } = await import("../../lib/log.ts");
    assert.equal(logLine({ direction: "out" }, NOW), "time=2026-11-20T05:32:58Z direction=out\n");
  },
  async message() {
    const { field, printHead } = await import("../../lib/message.ts");
    assert.equal(printHead([field("A", "b")]).length, "A: b\n\n".length);
  },
  async mailbox() {
    const { mailboxOf } = await import("../../lib/settings/mailbox.ts");
    assert.deepEqual(mailboxOf("mbox:/var/mail/greg"), { mbox: "/var/mail/greg" });
  },
  async mbox() {
    const { fromLine } = await import("../../lib/mbox.ts");
    assert.equal(fromLine(null, new Date(0)), "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n");
  },
  async mime() {
    const { mimeParts } = await import("../../lib/mime.ts");
    assert.deepEqual(mimeParts([], Uint8Array.of(65), 1), [
      { type: "text/plain", bytes: Uint8Array.of(65), ended: false },
    ]);
  },
  async encoded_words() {
    const { decodeWords } = await import("../../lib/encoded_words.ts");
    assert.equal(decodeWords("=?utf-8?b?w6k=?="), "é");
  },
  async memoize() {
    const { memoize } = await import("../../lib/memoize.ts");
    let computed = 0;
    const count = memoize((_: object) => void computed++);
    const [one, other] = [{}, {}];
    for (const key of [one, one, other, one]) count(key);
    assert.equal(computed, 2);
  },
  async message_id() {
    const { bareMessageId, signedMessageId } = await import("../../lib/message_id.ts");
    assert.equal(signedMessageId("<1@x> (c)"), "<1@x> (c)");
    assert.equal(bareMessageId("=?utf-8?b?PDFAeD4=?="), "1@x");
  },
  async html() {
    const { htmlToText } = await import("../../lib/html.ts");
    assert.equal(htmlToText("<p>a&lt;b&#233;<br>\nc", true), "a<b\xc3\xa9\nc");
  },
  async encodings() {
    const { textsIn } = await import("../../incoming/encodings.ts");
    assert.deepEqual([...textsIn("a=3Db\r\n")].map(({ text }) => text), ["a=3Db\n", "a=b\n"]);
  },
  async header_block() {
    const { Blocks } = await import("../../incoming/header_block.ts");
    assert.deepEqual(new Blocks("a\n\nb\nc\n\nd").around(3, 4), { top: 3, bottom: 6, fields: 1 });
  },
  async nearest() {
    const { nearest } = await import("../../lib/nearest.ts");
    assert.equal(nearest("sendre", ["mixed", "sender"]), "sender");
    assert.equal(nearest("quite", ["mixed", "sender"]), undefined);
  },
  async originals() {
    const { findOriginals } = await import("../../incoming/originals.ts");
    const { utf8 } = await import("../../lib/bytes.ts");
    const mail = 'Content-Type: multipart/report; boundary="b"\n\n--b\n\nhello\n--b--\n';
    assert.deepEqual(await Array.fromAsync(findOriginals(utf8(mail), mail.indexOf("\n\n") + 2)), []);
  },
  async digest() {
    const { digest } = await import("../../lib/digest.ts");
    assert.equal(digest("abc"), "ba7816bf8f01cfea414140de5dae2223"); // FIPS 180-4
  },
  async entry() {
    const { disagreement, makeEntry, parseEntry, printEntry } = await import("../../lib/entry.ts");
    const { field } = await import("../../lib/message.ts");
    const header = [field("From", "greg@example.org"), field("Subject", "=?utf-8?q?x?=")];
    const { parseAddress } = await import("../../lib/address.ts");
    const address = parseAddress("greg@example.org");
    const { dayOf } = await import("../../lib/date.ts");
    const identity = { address, srsDomain: "", keys: [{ id: "k1", created: dayOf(NOW), secret: new Uint8Array(16) }] };
    const body = Uint8Array.of(65);
    const message = { identity, recipients: [], header, body, whole: true };
    const unsealed = makeEntry(parseAddress("l@x"), message, NOW)!;
    const entry = { ...unsealed, body: { key: "k1", sealed: "", whole: true } };
    assert.deepEqual(parseEntry(printEntry(entry)), entry);
    assert.equal(disagreement(entry, "A\n", { header, body, ended: true, headerOnly: false }), undefined);
  },
  async paths() {
    const { sandboxFile } = await import("../../lib/paths.ts");
    assert.equal(sandboxFile("/x/config.toml"), "/x/config.sandbox");
  },
  async sandbox() {
    const { printSandbox } = await import("../../lib/settings/sandbox.ts");
    assert.match(printSandbox([{ program: "shim", right: "read", thing: "/x" }], []), /shim --allow-read=\/x/);
  },
  async presets() {
    const { programOf } = await import("../../lib/settings/presets.ts");
    assert.equal(programOf("exim", []), "/usr/sbin/exim4");
  },
  async proof() {
    const { hasProof, makeProof, PROOF_FIELD } = await import("../../incoming/proof.ts");
    const { parseKeys } = await import("../../lib/settings/keys.ts");
    const { field } = await import("../../lib/message.ts");
    const identity = {
      address: { local: "greg", domain: "example.org" },
      srsDomain: "",
      keys: parseKeys(KEYS, "keys"),
    };
    const proof = makeProof(identity, [], NOW);
    assert.ok(hasProof(identity, [field(PROOF_FIELD, proof!)], NOW));
  },
  async lookup() {
    const { lookupSocket } = await import("../../lib/settings/lookup.ts");
    assert.equal(
      lookupSocket({ state: { redis: "", lookup: "" }, serve: { socket_folder: "/run/c" } }),
      "/run/c/lookup",
    );
  },
  async forwarding() {
    const { sharedSecret } = await import("../../lib/settings/forwarding.ts");
    assert.equal(sharedSecret([{ secret: new Uint8Array(16) }], []), undefined);
  },
  async prvs() {
    const { prvsSign, prvsVerify } = await import("../../lib/prvs.ts");
    const signed = prvsSign("greg@example.org", { secret: SECRET, now: NOW });
    assert.equal(prvsVerify(signed, { secrets: { 0: SECRET }, now: NOW }), "greg@example.org");
  },
  async redis() {
    const { parseRedis } = await import("../../lib/settings/redis.ts");
    assert.deepEqual(parseRedis("unix:/run/redis.sock"), { path: "/run/redis.sock" });
  },
  async requests() {
    const { requestIn } = await import("../../lib/requests.ts");
    const message = { header: [], body: new Uint8Array(), whole: true };
    assert.equal(requestIn({ local: "dev-join", domain: "x" }, message)?.list, "dev@x");
  },
  async schema() {
    const { SETTINGS } = await import("../../lib/settings/schema.ts");
    assert.equal(SETTINGS.find(({ name }) => name === "tag.sign")!.read(false, String), false);
  },
  async srs() {
    const { srsForward, srsReverse } = await import("../../lib/srs.ts");
    const signed = srsForward("greg@example.org", "srs.example.org", { secrets: [SECRET], now: NOW });
    assert.equal(srsReverse(signed, { secrets: [SECRET], now: NOW }), "greg@example.org");
  },
  async signals() {
    const { untilAborted } = await import("../../io/system/signals.ts");
    const body = async function* () {
      yield await Promise.resolve(Uint8Array.of(1));
    };
    assert.equal((await Array.fromAsync(untilAborted(body(), new AbortController().signal))).length, 1);
    await assert.rejects(Array.fromAsync(untilAborted(body(), AbortSignal.abort())), { kind: "temporary" });
  },
  async queue_id() {
    const { queueIdIn } = await import("../../lib/queue_id.ts");
    assert.equal(queueIdIn("250 OK id=1abc"), "1abc");
  },
  async probe() {
    const { isProbeMessageId, probeMessageId } = await import("../../lib/probe.ts");
    assert.ok(isProbeMessageId(probeMessageId("01234567-0123-4123-8123-0123456789ab", "example.org")));
    assert.ok(!isProbeMessageId("<doctor.who@example.org>"));
  },
  async server() {
    const { SERVER } = await import("../../lib/settings/server.ts");
    assert.equal(SERVER.security.fallback, "tls");
  },
  async sysexits() {
    const { sysexit } = await import("../../lib/sysexits.ts");
    const { Fail } = await import("../../lib/fail.ts");
    assert.deepEqual([new Fail("temporary", ""), new Fail("config", ""), new Error()].map(sysexit), [75, 78, 70]);
  },
  async tag() {
    const { signTag, verifyTag } = await import("../../lib/tag.ts");
    const tag = signTag("greg@example.org", "<1@x>", { key: "k1", secret: SECRET, now: NOW, nonce: randomNonce() });
    verifyTag(tag, "greg@example.org", "<1@x>", { secrets: { k1: SECRET }, now: NOW });
  },
  async submission() {
    const { parseAuth, settingsOf } = await import("../../lib/settings/submission.ts");
    assert.ok(parseAuth("file:/etc/countersign/users"));
    assert.equal(settingsOf("/var/lib/{login}/config.toml", "greg"), "/var/lib/greg/config.toml");
  },
  async users() {
    const { isLogin } = await import("../../lib/users.ts");
    assert.ok(isLogin("greg@example.org"));
  },
  async version() {
    const { VERSION } = await import("../../lib/version.ts");
    assert.match(VERSION, /^\d+\.\d+\.\d+/);
  },
};

for (const [name, use] of Object.entries(USES)) {
  Deno.test({ name: `${name} needs no permission`, permissions: "none", fn: use });
}

Deno.test("Every module of lib is used here", () => {
  const source = Deno.readTextFileSync(new URL(import.meta.url));
  const root = new URL("../../", import.meta.url);
  const modules = ["lib", "lib/settings"].flatMap((folder) =>
    [...Deno.readDirSync(new URL(folder, root))].filter(({ isFile }) => isFile).map(({ name }) => `${folder}/${name}`)
  );
  const missing = modules.filter((path) => !source.includes(`import("../../${path}")`));
  assert.deepEqual(missing, []);
});

Deno.test({
  name: "mod.ts needs no permission",
  permissions: "none",
  async fn() {
    const library = await import("../../mod.ts");
    assert.equal(library.parseAddress("greg@example.org").domain, "example.org");
  },
});
