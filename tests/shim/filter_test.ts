/** `shim --filter`: the message is signed as when it is sent, and printed. */
import assert from "node:assert/strict";
import { fieldOf, Home, oneLine } from "../rig.ts";
import { nothingSent, stubTransport } from "../stub.ts";

const MAIL =
  "From: greg@example.org\nTo: ann@example.net\nSubject: Hi\nMessage-ID: <1@example.org>\n\nHello.\n.\nBye.\n";
const RECEIVED = "Received: by mx.example.org; Fri, 20 Nov 2026 05:32:58 +0000\n";
const ARGS = ["-f", "greg@example.org", "--", "ann@example.net", "bob@example.net"];

function homeWith(identity = ""): Home {
  const home = new Home();
  home.settings(stubTransport(home));
  const text = home.read(".config/countersign/config.toml");
  home.write(".config/countersign/config.toml", text.replace("[transport]", `${identity}\n[transport]`));
  return home;
}

Deno.test("the message is printed, signed, and not sent; it is remembered and logged", async () => {
  using home = homeWith();
  const { code, stdout, stderr } = await home.shim(["--filter", ...ARGS], MAIL);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(fieldOf(stdout, "X-Msgauth"), /^v1\.k1\./);
  assert.ok(stdout.endsWith("\n\nHello.\n.\nBye.\n"));
  nothingSent(home);
  assert.ok([...Deno.readDirSync(`${home.path}/.local/state/countersign/sent`)].length > 0);
  assert.match(home.read(".local/state/countersign/log"), /scheme=srs .*route=filter result=passed/);
});

Deno.test("--envelope prints the sender and the recipients before the message", async () => {
  using home = homeWith();
  const { stdout } = await home.shim(["--filter", "--envelope", ...ARGS], MAIL);
  const [sender, first, second, empty, ...message] = stdout.split("\n");
  assert.match(sender!, /^SRS0=.*@srs\.example\.org$/);
  assert.deepEqual([first, second, empty, message[0]], [
    "ann@example.net",
    "bob@example.net",
    "",
    "From: greg@example.org",
  ]);
  const bounce = await home.shim(["--filter", "--envelope", "-f", "<>", "--", "ann@example.net"], MAIL);
  assert.match(bounce.stdout, /^\nann@example\.net\n\nFrom: /);
  const stranger = await home.shim(["--filter", "--envelope", "--", "ann@example.net"], MAIL.replace("greg", "eve"));
  oneLine(stranger, 64, /Envelope sender unknown: set it with -f$/m);
});

Deno.test("the Received fields of the mail server in front are kept, and do not prevent signing; more do", async () => {
  using home = homeWith();
  const signed = async (input: string, ...options: string[]) => {
    const { code, stdout } = await home.shim(["--filter", ...options, ...ARGS], input);
    assert.equal(code, 0);
    assert.equal(stdout.match(/^Received:/gm)?.length ?? 0, input.match(/^Received:/gm)?.length ?? 0);
    return fieldOf(stdout, "X-Msgauth") !== "";
  };
  assert.equal(await signed(RECEIVED + MAIL), false);
  assert.equal(await signed(RECEIVED + MAIL, "--received", "1"), true);
  assert.equal(await signed(RECEIVED + RECEIVED + MAIL, "--received", "1"), false);
  assert.equal(await signed(MAIL, "--received", "1"), true);
  assert.equal(await signed(`X-Other: 1\n${RECEIVED}${MAIL}`, "--received", "1"), false);
});

Deno.test("--login signs for the identities of this login only, and for none if it is empty", async () => {
  using home = homeWith('logins = ["greg"]');
  for (const [login, signs] of [["greg", true], ["eve", false], ["", false]] as const) {
    const { code, stdout } = await home.shim(["--filter", "--login", login, ...ARGS], MAIL);
    assert.deepEqual([code, fieldOf(stdout, "X-Msgauth") !== ""], [0, signs], login);
  }
});

Deno.test("wrong options", async () => {
  using home = homeWith();
  for (const wrong of [["--received", "x"], ["--received"], ["--login"], ["-bp"], ["--filter"]]) {
    assert.equal((await home.shim(["--filter", ...wrong], MAIL)).code, 64, wrong.join(" "));
  }
});

Deno.test("unconfigured: with `pass` in settings without identities mail is sent unsigned, otherwise it is refused", async () => {
  using home = new Home();
  const transport = stubTransport(home);
  const config = home.write("site.toml", `unconfigured = "pass"\n${transport}`);
  const env = { COUNTERSIGN_CONFIG: config };
  assert.equal((await home.shim(["-f", "eve@example.org", "--", "ann@example.net"], MAIL, env)).code, 0);
  const sent = home.read("stub.got");
  assert.deepEqual([fieldOf(sent, "X-Msgauth"), fieldOf(sent, "From")], ["", "greg@example.org"]);
  assert.match(home.read("stub.args"), /^-i\n-f\neve@example\.org\n--\nann@example\.net\n/);

  home.write("site.toml", transport);
  oneLine(await home.shim(["--", "ann@example.net"], MAIL, env), 78, /No identity is configured: add \[\[identity\]\]/);
  home.write("site.toml", `unconfigured = "pass"\n${transport}`);
  // A hook has nobody to judge for.
  oneLine(await home.hook([], MAIL, { ...env, SENDER: "" }), 75, /No identity is configured/);
  home.write("site.toml", `unconfigured = "pass"\n${transport}[outbox]\nwhen = "always"\n`);
  oneLine(await home.shim(["--", "ann@example.net"], MAIL, env), 78, /outbox\.when requires an identity/);
});
