/** The real PHP's mail() with contrib/php. */
import assert from "node:assert/strict";
import { verifyTag } from "../../mod.ts";
import { fieldOf, Home, type Ran, ROOT, SECRET } from "../rig.ts";
import { snippet } from "./letters.ts";
import { need } from "./need.ts";

const test = await need("php", "php-cli");

/** Runs PHP code with the snippet as the only configuration. */
function php(home: Home, code: string, ini = snippet("php/php.ini"), ...options: string[]): Promise<Ran> {
  const file = home.write("php.ini", ini);
  return home.run(["php", "-c", file, ...options, "-r", code], "", { PHP_INI_SCAN_DIR: "" });
}

/** Calls mail(), whose result tells whether it succeeded. */
async function callMail(home: Home, ...callArgs: Parameters<typeof php> extends [Home, ...infer More] ? More : never) {
  const [code, ...more] = callArgs;
  const { stdout, stderr } = await php(home, `var_dump(${code});`, ...more);
  return { result: stdout.trim(), stderr };
}

const SUCCESS = { result: "bool(true)", stderr: "" };
const senderOf = (mail: string) => fieldOf(mail, "Return-Path").replace(/[<>]/g, "");
const recipientsOf = (mail: string) => [...mail.matchAll(/^X-Envelope-To: (.*)$/gm)].map((match) => match[1]);
const SRS = /^SRS0=[\w-]{8}=[A-Z2-7]{2}=example\.org=greg@srs\.example\.org$/;

test("PHP: mail() sends signed messages", async () => {
  using home = new Home();
  const headers = String.raw`"From: Greg <greg@example.org>\r\nBcc: hidden@mx.example.net\r\nX-Folded: a\r\n b"`;
  const body = String.raw`"Grüße\r\n.\n..\nFrom here on\n"`;
  assert.deepEqual(
    await callMail(home, `mail("a@mx.example.net, b@mx.example.net", "Lunch", ${body}, ${headers})`),
    SUCCESS,
  );
  const [mail] = home.mails("out");
  assert.match(senderOf(mail!), SRS);
  assert.deepEqual(recipientsOf(mail!), ["a", "b", "hidden"].map((name) => `${name}@mx.example.net`));
  verifyTag(fieldOf(mail!, "X-Msgauth"), "greg@example.org", fieldOf(mail!, "Message-ID"), {
    secrets: { k1: SECRET },
    now: new Date(),
  });
  assert.doesNotMatch(mail!, /^Bcc|\r/im);
  assert.equal(fieldOf(mail!, "X-Folded"), "a b");
  assert.match(mail!, /\n\nGrüße\n\.\n\.\.\nFrom here on\n\n?$/);
});

test("PHP: a missing From field is added", async () => {
  using home = new Home();
  assert.deepEqual(await callMail(home, `mail("a@mx.example.net", "Lunch", "At one?")`), SUCCESS);
  const [mail] = home.mails("out");
  assert.equal(fieldOf(mail!, "From"), "greg@example.org");
  assert.match(senderOf(mail!), SRS);
});

test("PHP: the pitfall of contact forms: mail with a visitor's From is not signed", async () => {
  using home = new Home();
  const code = (header: string) => `mail("a@mx.example.net", "Lunch", "At one?", "${header}: visitor@example.com")`;
  assert.deepEqual(await callMail(home, code("From")), SUCCESS);
  assert.equal(fieldOf(home.mails("out")[0]!, "X-Msgauth"), "");
  Deno.removeSync(`${home.path}/out`, { recursive: true });
  assert.deepEqual(await callMail(home, code("Reply-To")), SUCCESS);
  assert.match(senderOf(home.mails("out")[0]!), SRS);
});

test("PHP: sendmail_path on the command line, and the fifth argument", async (t) => {
  const path = `sendmail_path=${ROOT}/shim/shim -t -i`;
  const table: [what: string, from: string, fifth: string, sender: RegExp][] = [
    ["an identity", "greg@example.org", "-f greg@example.org -F 'A B'", SRS],
    ["somebody else's sender is kept", "other@example.com", "-f other@example.com", /^other@example\.com$/],
    ["the null sender", "greg@example.org", "-f ''", /^$/],
  ];
  for (const [what, from, fifth, sender] of table) {
    await t.step(what, async () => {
      using home = new Home();
      const code = `mail("a@mx.example.net", "Lunch", "At one?", "From: ${from}", "${fifth}")`;
      assert.deepEqual(await callMail(home, code, "", "-d", path), SUCCESS);
      assert.match(senderOf(home.mails("out")[0]!), sender);
    });
  }
});

test("PHP: mail() is false when the shim fails", async (t) => {
  const failing = (code: number) => `[transport]\npreset = "sendmail"\ncommand = ["/bin/sh", "-c", "exit ${code}"]\n`;
  const table: [what: string, settings: string, message: RegExp][] = [
    ["temporarily", failing(75), /^shim: .*status 75$/m],
    ["permanently", failing(69), /^shim: .*status 69$/m],
    ["because of invalid settings", "nonsense = [", /^shim: .*config\.toml/m],
  ];
  for (const [what, settings, pattern] of table) {
    await t.step(what, async () => {
      using home = new Home();
      home.settings(settings);
      const { result, stderr } = await callMail(home, `mail("a@mx.example.net", "Lunch", "At one?")`);
      assert.match(result, /bool\(false\)$/);
      assert.match(stderr, pattern);
    });
  }
  await t.step("for an empty list of recipients", async () => {
    using home = new Home();
    const { result } = await callMail(home, `mail("", "Lunch", "At one?")`);
    assert.match(result, /bool\(false\)$/);
    assert.deepEqual(home.mails("out"), []);
  });
});
