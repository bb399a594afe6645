/** `countersign keys --forwarding`: the keys of forwarded mail, made, rotated, or taken over from postsrsd. */
import assert from "node:assert/strict";
import { parseKeys } from "../../lib/settings/keys.ts";
import { utf8 } from "../../lib/bytes.ts";
import { CREATED, Home, oneLine, SECRET } from "../rig.ts";
import { countersign } from "./run.ts";

const FOLDER = ".config/countersign";
const FILE = `${FOLDER}/forwarding-keys`;
const FORWARDING = `[forwarding]\ndomain = "srs.example.net"\nhash_length = 4\n`;
const POSTSRSD = "c2VjcmV0IG9mIHBvc3RzcnNkMTIz";

/** A home with one identity, and with forwarding if `more` says so. */
function homeWith(more = FORWARDING): Home {
  const home = new Home();
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n${more}`);
  return home;
}

const keysIn = (home: Home) =>
  parseKeys(home.read(FILE), FILE).map(({ id, secret }) => [id, new TextDecoder().decode(secret)]);
const keys = (home: Home, ...args: string[]) => countersign(home, ["keys", ...args]);

Deno.test("keys of forwarded mail are created for the group, too, and rotated; keys list shows them", async () => {
  using home = homeWith();
  const made = await keys(home, "new", "--forwarding");
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  assert.match(made.stdout, /k1 signs for forwarded mail from now on/);
  assert.equal(Deno.statSync(`${home.path}/${FILE}`).mode! & 0o777, 0o640);
  assert.equal((await keys(home, "new", "--forwarding")).code, 0);
  const listed = await keys(home, "list");
  assert.match(
    listed.stdout,
    /^greg@example\.org .*\n {2}k1 .*\nforwarded mail .*forwarding-keys\n {2}k2 .* signs;.*\n {2}k1 /m,
  );
  assert.doesNotMatch((await keys(home, "list", "--forwarding")).stdout, /greg/);
  const retired = await keys(home, "retire", "k1", "--forwarding");
  assert.equal(
    retired.stdout,
    "k1 of forwarded mail is retired: bounces of mail that was forwarded with it are rejected\n",
  );
  assert.equal(keysIn(home).length, 1);
});

Deno.test("the settings and the secret of postsrsd are imported in two steps", async () => {
  using home = homeWith("");
  const secret = home.write("postsrsd.secret", `${POSTSRSD}\nan older secret of postsrsd\n`, 0o600);
  const settings = home.write(
    "postsrsd",
    `SRS_DOMAIN=srs.example.net\nSRS_EXCLUDE_DOMAINS=example.org\nSRS_HASHLENGTH=4\nSRS_SECRET=${secret}\n`,
  );
  const args = ["import", "--forwarding", "--settings", settings];
  const printed = await keys(home, ...args);
  assert.deepEqual([printed.code, printed.stderr], [0, ""]);
  const [table] = printed.stdout.split("\n\n");
  assert.equal(table, `[forwarding]\ndomain = "srs.example.net"\nexclude = ["example.org"]\nhash_length = 4`);
  assert.match(printed.stdout, /Add these lines to the settings, and run the command again\n$/);

  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n${table}\n`);
  const imported = await keys(home, ...args);
  assert.deepEqual([imported.code, imported.stderr], [0, ""]);
  assert.match(
    imported.stdout,
    /^Written: .*forwarding-keys\noldb, old verify for forwarded mail\nNote: .* set srs\.alphabet = "base64": .*\n$/,
  );
  assert.deepEqual(keysIn(home).map(([, secret]) => secret), [POSTSRSD, "an older secret of postsrsd"]);
  assert.match((await keys(home, "list", "--forwarding")).stdout, / signs; /);
  assert.ok(!imported.stdout.includes(POSTSRSD));
  assert.equal((await keys(home, ...args)).stdout, "Nothing was imported: the file already contains these secrets\n");

  // A new key signs from then on, and the imported ones still verify.
  assert.equal((await keys(home, "new", "--forwarding")).code, 0);
  assert.deepEqual(keysIn(home).slice(1).map(([, secret]) => secret), [POSTSRSD, "an older secret of postsrsd"]);
});

Deno.test("differences from the settings of postsrsd are named", async () => {
  using home = homeWith(FORWARDING.replace("= 4", "= 8"));
  const secret = home.write("postsrsd.secret", "short\n", 0o600);
  const settings = home.write(
    "postsrsd.conf",
    `domains = { "other.example" }\nhash-length = 4\nsecrets-file = "${secret}"\n`,
  );
  const { stdout } = await keys(home, "import", "--forwarding", "--settings", settings);
  assert.match(stdout, /A secret with fewer than 16 bytes does not sign: an older key signs, or mail is not rewritten/);
  assert.match(stdout, /Note: the domain of postsrsd is other\.example, so bounces to its addresses are rejected/);
  assert.match(stdout, /Note: postsrsd writes 4 characters of the hash, so bounces to its addresses are rejected/);
});

Deno.test("a secret is never for forwarded mail and for an identity", async () => {
  using home = homeWith();
  const own = home.write("own", `${SECRET}\n`);
  const shared = /The secret is already in the key file of greg@example\.org/;
  oneLine(await keys(home, "import", own, "--forwarding", "--from", "postsrsd"), 65, shared);
  assert.equal(home.read(FILE), "");
  home.write(FILE, `k1 ${CREATED} ${POSTSRSD}\n`, 0o600);
  const other = home.write("other", `${POSTSRSD}\n`);
  const ran = await keys(home, "import", other, "--from", "postsrsd");
  oneLine(ran, 65, /The secret is already in the key file of forwarded mail/);
  assert.ok(!parseKeys(home.read(`${FOLDER}/keys`), "").some(({ secret }) => `${secret}` === `${utf8(POSTSRSD)}`));
});

const errors: [args: string[], code: number, error: RegExp, more?: string][] = [
  [["new", "--forwarding"], 78, /forwarding\.domain is not set: set it, or have its lines printed with/, ""],
  [["list", "--forwarding", "--address", "greg@example.org"], 64, /--forwarding and --address cannot be combined/],
  [["retire", "k1", "--forwarding"], 78, /Key file does not exist: countersign keys new --forwarding/],
  [["import", "--settings", "x"], 64, /Option --settings is for --forwarding only/],
  [["import", "x", "--forwarding", "--settings", "x"], 64, /--settings cannot be combined with FILE or --from/],
  [["import", "--forwarding", "--settings", "missing"], 74, /missing: File cannot be read/],
  [["import", "--forwarding", "--settings", `${FOLDER}/keys`], 65, /keys: File does not contain settings of postsrsd/],
  [["list", "--settings", "x"], 64, /Option --settings is for import only/],
];
for (const [args, code, error, more] of errors) {
  Deno.test(`keys ${args.join(" ")} is rejected with one line, and changes nothing`, async () => {
    using home = homeWith(more);
    oneLine(await keys(home, ...args.map((one) => one.includes("/") ? `${home.path}/${one}` : one)), code, error);
    assert.deepEqual([...Deno.readDirSync(`${home.path}/${FOLDER}`)].map(({ name }) => name).sort(), [
      "config.sandbox",
      "config.toml",
      "keys",
    ]);
  });
}
