/** Reading the end of a long message, which requires that standard input is a file and must not move its offset. */
import assert from "node:assert/strict";
import { readTail, TAIL_BYTES } from "../../../io/system/tail.ts";
import { PREFIX_BYTES } from "../../../io/system/input.ts";
import { signTag } from "../../../lib/tag.ts";
import { base64, FORMS } from "../../forms.ts";
import { qmailLocal } from "../../../build/rig/qmail.ts";
import { Home, SECRET } from "../../rig.ts";
import { randomNonce } from "../../random.ts";

const KB = 1024;
const pattern = (size: number) => Uint8Array.from({ length: size }, (_, at) => (at * 31) % 251);

Deno.test("the end of a file is read without moving its offset", () => {
  using home = new Home();
  const rows: [size: number, gap: boolean | undefined][] = [
    [TAIL_BYTES - 1, undefined],
    [TAIL_BYTES, false],
    [300 * KB, false],
    [PREFIX_BYTES + TAIL_BYTES, false],
    [PREFIX_BYTES + TAIL_BYTES + 1, true],
    [2000 * KB, true],
  ];
  for (const [size, gap] of rows) {
    const bytes = pattern(size);
    using file = Deno.openSync(home.write("message", bytes));
    file.seekSync(Math.min(size, PREFIX_BYTES), Deno.SeekMode.Start);
    const tail = readTail(file, PREFIX_BYTES);
    assert.equal(tail?.gap, gap, `${size}`);
    if (tail !== undefined) assert.deepEqual(tail.bytes, bytes.slice(-TAIL_BYTES), `${size}`);
    assert.equal(file.seekSync(0, Deno.SeekMode.Current), Math.min(size, PREFIX_BYTES), `${size}`);
  }
});

Deno.test("nothing is returned for a pipe, other streams and a closed file", async () => {
  using home = new Home();
  await home.run(["mkfifo", "pipe"]);
  using pipe = Deno.openSync(`${home.path}/pipe`, { read: true, write: true });
  assert.equal(readTail(pipe, PREFIX_BYTES), undefined);
  assert.equal(readTail({ read: () => Promise.resolve(null), readSync: () => null }, PREFIX_BYTES), undefined);
  const closed = Deno.openSync(home.write("message", pattern(600 * KB)));
  closed.close();
  assert.equal(readTail(closed, PREFIX_BYTES), undefined);
});

/** A bounce that returns our message after a large attachment. */
function longBounce(size: number, form = FORMS["unchanged"]!): string {
  const id = "<1@example.org>";
  const tag = signTag("greg@example.org", id, { key: "k1", secret: SECRET, now: new Date(), nonce: randomNonce() });
  const returned = `From: greg@example.org\nTo: kay@example.net\nMessage-ID: ${id}\nX-Msgauth: ${tag}\n\nHello\n`;
  const front =
    'From: MAILER-DAEMON@mx.example\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\nFailed.\n\n--b\n' +
    "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n";
  const image = base64("\x89PNG\r\n".repeat(Math.ceil(size / 8)));
  return `${front}${image}\n--b\nContent-Type: message/rfc822\n\n${form(returned)}\n--b--\n`;
}

const resultOf = (home: Home): string =>
  /result=(\S+)/.exec(home.read(".local/state/countersign/log").trimEnd().split("\n").at(-1)!)![1]!;

Deno.test("under qmail the hook finds a message returned after 256 KB, and leaves the whole bounce to the next line of .qmail", async () => {
  for (const form of ["unchanged", "base64", "HTML, <br>", "quoted-printable", 'prefixed with "> "']) {
    using home = new Home();
    home.write(".qmail", `|exec ${new URL("../../../hooks/incoming", import.meta.url).pathname}\n./Maildir/\n`);
    const mail = longBounce(1200 * KB, FORMS[form]);
    const { end, runs } = await qmailLocal(home, { sender: "", ext: "", host: "example.org" }, mail);
    assert.deepEqual([end, resultOf(home)], ["success", "genuine"], `${form}: ${runs[0]?.stdout}`);
    assert.ok(home.mails("Maildir")[0]!.endsWith(mail));
  }
});

Deno.test("after reading the end the hook streams from its previous offset", async () => {
  using home = new Home();
  Deno.mkdirSync(`${home.path}/Maildir`);
  const mail = longBounce(900 * KB);
  const queued = home.write("queued", mail);
  const hook = new URL("../../../hooks/incoming", import.meta.url).pathname;
  const env = { SENDER: "", RECIPIENT: "greg@example.org", HOST: "example.org", EXT: "", DEFAULT: "" };
  const ran = await home.run(["sh", "-c", `exec ${hook} --maildir ${home.path}/Maildir < ${queued}`], "", env);
  assert.equal(ran.code, 99, ran.stderr);
  assert.ok(home.mails("Maildir")[0]!.endsWith(mail.slice(mail.indexOf("\n"))));
  assert.equal(resultOf(home), "genuine");
});

Deno.test("the end of a message is not read from a pipe", async () => {
  using home = new Home();
  const mail = longBounce(1200 * KB);
  const env = { SENDER: "", RECIPIENT: "greg@example.org" };
  const ran = await home.hook(["--as", "filter"], mail, env);
  assert.equal(ran.code, 0);
  assert.notEqual(resultOf(home), "genuine");
  const short = await home.hook(["--as", "filter"], longBounce(100 * KB), env);
  assert.deepEqual([short.code, resultOf(home)], [0, "genuine"]);
});
