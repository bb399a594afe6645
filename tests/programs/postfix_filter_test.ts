/** contrib/filter/postfix in a real Postfix: a content filter for what authenticated clients submit. */
import assert from "node:assert/strict";
import { CREATED, fieldOf, ROOT, SECRET } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { Installed } from "./installation.ts";
import { freePort, needPostfix, Postfix, smtp, until } from "./postfix.ts";

const test = await needPostfix();
const MAIL = "From: greg@example.org\nTo: jo@far.example\nSubject: Hi\nMessage-ID: <1@example.org>\n\nHello.\n";

test("mail that a client submits is signed for its login, and other mail is not", async () => {
  using installed = await Installed.make();
  const { home } = installed;
  const read = (name: string) => Deno.readTextFileSync(`${ROOT}/contrib/filter/postfix/${name}`);
  // The settings of a site: the user of the filter reads the keys.
  const keys = home.write("etc/keys", `k1 ${CREATED} ${SECRET}\n`, 0o600);
  const identity =
    `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\nlogins = ["greg"]\nkeys = "${keys}"\n`;
  const config = home.write(
    "etc/countersign.toml",
    `state.folder = "${home.path}/state"\n${identity}[transport]\npreset = "postfix"\n`,
  );
  Deno.mkdirSync(`${home.path}/state`);
  for (const path of [keys, `${home.path}/state`]) Deno.chownSync(path, 65534, 65534);
  const filter = home.write(
    "countersign-filter",
    read("countersign-filter").replace("/usr/local/bin/shim", installed.shim)
      .replace("umask 077", `umask 077\nexport COUNTERSIGN_CONFIG=${config}`),
    0o755,
  );

  await using sink = new Sink();
  const submission = freePort();
  const master = read("master.cf").replace(/^submission /m, `127.0.0.1:${submission} `)
    .replace("smtpd_sasl_auth_enable=yes", "smtpd_authorized_xclient_hosts=127.0.0.0/8")
    .replace("permit_sasl_authenticated,reject", "permit_mynetworks,reject")
    .replace("user=countersign", "user=nobody").replace("/usr/local/libexec/countersign-filter", filter)
    .replace(/^(\S+ +inet.*)y( +-){2}/m, "$1n       -       -");
  await using postfix = await Postfix.start({
    main: `mynetworks = 127.0.0.0/8\ntransport_maps = inline:{ far.example=smtp:[127.0.0.1]:${sink.port} }\n`,
    master,
    machine: true,
  });
  const submit = async (port: number, sender: string, login?: string) => {
    const before = sink.accepted.length;
    const answer = await smtp(port, sender, "jo@far.example", MAIL, login && `XCLIENT LOGIN=${login}`);
    assert.match(answer, /^250 /);
    await until("the message", () => sink.accepted.length > before, () => postfix.log);
    return sink.accepted[before]!;
  };
  const signed = await submit(submission, "greg@example.org", "greg");
  assert.match(signed.from, /^SRS0=.*@srs\.example\.org$/);
  assert.match(fieldOf(signed.data.replaceAll("\r\n", "\n"), "X-Msgauth"), /^v1\.k1\./);
  assert.equal(signed.data.match(/^X-Msgauth:/gm)?.length, 1);

  for (const [port, login] of [[submission, "eve"], [postfix.port, undefined]] as const) {
    const other = await submit(port, "greg@example.org", login);
    assert.equal(other.from, "greg@example.org");
    assert.doesNotMatch(other.data, /^X-Msgauth:/m);
  }
  assert.equal(await postfix.queued(), 0);
});
