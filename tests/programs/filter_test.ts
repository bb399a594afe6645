/** The snippets of contrib/filter, called as qmail-qfilter(1) and Postfix's pipe(8) call filters. */
import assert from "node:assert/strict";
import { fieldOf, Home, ROOT } from "../rig.ts";
import { stub, stubArguments, stubInput, stubRuns } from "../stub.ts";

const MAIL =
  "Received: (ofmipd 192.0.2.7); Fri, 20 Nov 2026 05:32:58 +0000\nFrom: greg@example.org\nTo: ann@example.net\n" +
  "Date: Fri, 20 Nov 2026 05:32:58 +0000\nMessage-ID: <1@example.org>\n\nHello.\n.\n";

/** A home with the snippet, which calls the shim of the checkout. */
function homeWith(name: string): [home: Home, filter: string] {
  const home = new Home();
  const text = home.read(".config/countersign/config.toml").replace("[transport]", 'logins = ["greg"]\n[transport]');
  home.write(".config/countersign/config.toml", text);
  const source = Deno.readTextFileSync(`${ROOT}/contrib/filter/${name}`)
    .replace("/usr/local/bin/shim", `${ROOT}/shim/shim`).replace("/usr/sbin/sendmail", stub(home));
  return [home, home.write("filter", source, 0o755)];
}

/** As qmail-qfilter: the envelope on descriptor 3, the new one on descriptor 4. */
const QFILTER = 'exec "$1" 3<"$HOME/envelope" 4>"$HOME/signed"';

async function qfilter(home: Home, filter: string, envelope: string, mail = MAIL) {
  home.write("envelope", envelope);
  const ran = await home.run(["/bin/sh", "-c", QFILTER, "sh", filter], mail);
  return { ...ran, signed: home.read("signed").split("\0") };
}

Deno.test("qmail-qfilter: message and envelope are signed", async () => {
  const [home, filter] = homeWith("qmail-qfilter");
  using _ = home;
  const { code, stdout, stderr, signed } = await qfilter(
    home,
    filter,
    "Fgreg@example.org\0Tann@example.net\0Tb*b@example.net\0\0",
  );
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(signed[0]!, /^FSRS0=.*@srs\.example\.org$/);
  assert.deepEqual(signed.slice(1), ["Tann@example.net", "Tb*b@example.net", "", ""]);
  assert.match(stdout, /^Received: \(ofmipd/);
  assert.match(fieldOf(stdout, "X-Msgauth"), /^v1\.k1\./);
  assert.ok(stdout.endsWith("\n\nHello.\n.\n"));
});

Deno.test("qmail-qfilter: the null sender, a message of somebody else, and one that cannot be parsed", async () => {
  const [home, filter] = homeWith("qmail-qfilter");
  using _ = home;
  const receipt = await qfilter(home, filter, "F\0Tann@example.net\0\0");
  assert.deepEqual([receipt.code, receipt.signed], [0, ["F", "Tann@example.net", "", ""]]);
  const stranger = await qfilter(home, filter, "Feve@example.com\0Tann@example.net\0\0", MAIL.replace("greg", "eve"));
  assert.deepEqual([stranger.code, stranger.signed[0], fieldOf(stranger.stdout, "X-Msgauth")], [
    0,
    "Feve@example.com",
    "",
  ]);
  const long = await qfilter(home, filter, "Fgreg@example.org\0Tann@example.net\0\0", `X: ${"y".repeat(2 ** 21)}\n\n`);
  assert.deepEqual([long.code, long.signed], [31, [""]]);
  home.write(".config/countersign/config.toml", "wrong");
  const broken = await qfilter(home, filter, "Fgreg@example.org\0Tann@example.net\0\0");
  assert.deepEqual([broken.code, broken.stdout, broken.signed], [71, "", [""]]);
  assert.equal((await qfilter(home, filter, "nonsense")).code, 53);
});

Deno.test("Postfix: signed for the login, and passed to sendmail once", async () => {
  const [home, filter] = homeWith("postfix/countersign-filter");
  using _ = home;
  const run = (login: string) =>
    home.run([filter, login, "greg@example.org", "ann@example.net", "bob@example.net"], MAIL);
  const ran = await run("greg");
  assert.deepEqual([ran.code, ran.stderr], [0, ""]);
  const [first, second, third, sender, ...rest] = stubArguments(home);
  assert.deepEqual([first, second, third, ...rest], ["-G", "-i", "-f", "--", "ann@example.net", "bob@example.net"]);
  assert.match(sender!, /^SRS0=.*@srs\.example\.org$/);
  assert.match(fieldOf(stubInput(home), "X-Msgauth"), /^v1\.k1\./);

  // Without a login of an identity it is passed on as it is.
  for (const login of ["eve", ""]) {
    assert.equal((await run(login)).code, 0);
    assert.deepEqual([stubArguments(home)[3], stubInput(home)], ["greg@example.org", MAIL]);
  }
  home.write(".config/countersign/config.toml", "wrong");
  assert.equal((await run("greg")).code, 75);
  assert.equal(stubRuns(home), 3);
});
