/** `countersign passwd`, and the file that it writes. */
import assert from "node:assert/strict";
import { errorText, Fail } from "../../lib/fail.ts";
import { parseUsers } from "../../lib/users.ts";
import { DUMMY, hashPassword, matchesHash } from "../../submit/backends/scrypt.ts";
import { Home, modeOf, oneLine, ROOT } from "../rig.ts";
import { CHAIN } from "../submit/talk.ts";

async function passwd(home: Home, args: string[], input = "") {
  const deno = [Deno.execPath(), "run", "-q", "--frozen", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`];
  return await home.run([...deno, "passwd", ...args, "--file", `${home.path}/users`], input);
}

/** Whether verify accepts the password, and for which account. */
async function verified(home: Home, login: string, password: string) {
  const ran = await home.run([`${CHAIN}/verify`, `file:${home.path}/users`], `${login}\0${password}\0\0`);
  return ran.code === 0 ? ran.stdout.trim() : ran.code;
}

Deno.test("logins are added, changed, listed and removed, and other lines are kept", async () => {
  using home = new Home();
  assert.equal((await passwd(home, ["add", "greg"], "secret\n")).code, 0);
  assert.equal(modeOf(`${home.path}/users`), "600");
  assert.equal(
    (await passwd(home, ["add", "ann@example.org", "--user", "mail", "--home", "/var/vmail/ann"], "päss")).code,
    0,
  );
  home.write("users", `# people\n${home.read("users")}`, 0o600);
  assert.equal((await passwd(home, ["list"])).stdout, "greg\nann@example.org  mail  /var/vmail/ann\n");
  assert.equal(await verified(home, "greg", "secret"), "greg");
  assert.equal(await verified(home, "greg", "Secret"), 10);
  assert.equal(
    await verified(home, "ann@example.org", new TextDecoder().decode(new TextEncoder().encode("päss"))),
    "mail:/var/vmail/ann",
  );

  assert.equal((await passwd(home, ["change", "ann@example.org"], "new\n")).code, 0);
  assert.equal(await verified(home, "ann@example.org", "new"), "mail:/var/vmail/ann");
  oneLine(await passwd(home, ["add", "greg"], "x\n"), 64, /Login greg already exists: passwd change greg$/m);
  assert.equal((await passwd(home, ["remove", "greg"])).code, 0);
  assert.equal(await verified(home, "greg", "secret"), 10);
  assert.match(home.read("users"), /^# people\nann@example\.org:\$scrypt\$ln=14,r=8,p=1\$/);
});

Deno.test("usage errors", async () => {
  using home = new Home();
  const cases: [string[], string, RegExp][] = [
    [["add"], "", /LOGIN is missing/],
    [["add", "a b"], "x", /Login "a b" is not valid/],
    [["add", "a:b"], "x", /is not valid/],
    [["add", "greg"], "\n", /password is empty/],
    [["add", "greg"], "x".repeat(256), /longer than 255 bytes/],
    [["add", "greg", "--home", "/x"], "x", /--home requires --user/],
    [["remove", "greg"], "", /does not exist/],
    [["change", "greg", "--user", "x"], "", /are for add/],
    [["list", "x"], "", /Unknown argument "x"/],
    [["drop", "x"], "", /use list, add, change or remove/],
  ];
  for (const [args, input, message] of cases) {
    oneLine(await passwd(home, args, input), 64, message);
    assert.equal(home.read("users"), "");
  }
});

Deno.test("a file that others can read is not used", async () => {
  using home = new Home();
  home.write("users", "", 0o644);
  oneLine(await passwd(home, ["list"]), 77, /readable by others \(mode 0644\): chmod 600/);
  assert.equal(await verified(home, "greg", "secret"), 75);
});

Deno.test("hashes are those of scrypt (RFC 7914)", async () => {
  // The third vector of RFC 7914 section 12.
  const salt = btoa("SodiumChloride").replace(/=+$/, "");
  const hash = Uint8Array.fromHex(
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2" +
      "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
  ).toBase64({ omitPadding: true });
  const [user] = parseUsers(`greg:$scrypt$ln=14,r=8,p=1$${salt}$${hash}`, "users");
  assert.equal(await matchesHash("pleaseletmein", user!.hash), true);
  assert.equal(await matchesHash("pleaseletmeout", user!.hash), false);
  assert.equal(await matchesHash("", DUMMY), false);
  assert.notEqual(await hashPassword("x"), await hashPassword("x"));
});

const GOOD = `$scrypt$ln=14,r=8,p=1$${"A".repeat(22)}$${"A".repeat(43)}`;
const LINES: [line: string, message: RegExp][] = [
  ["greg", /:2: Hash is not of the form/],
  ["greg:secret", /Hash is not of the form/],
  [`greg:${GOOD.replace("14", "30")}`, /Hash is not of the form/],
  [`:${GOOD}`, /Login is empty/],
  [`greg:${GOOD}:0`, /User is not a name/],
  [`greg:${GOOD}:-x`, /User is not a name/],
  [`greg:${GOOD}:greg:tmp`, /not an absolute path/],
  [`greg:${GOOD}:greg:/tmp:x`, /more than four fields/],
  [`ann:${GOOD}`, /Login appears twice/],
];
for (const [line, message] of LINES) {
  Deno.test(`line ${line.slice(0, 40)} ${message.source.slice(0, 20)}`, () => {
    const found = (() => {
      try {
        parseUsers(`ann:${GOOD}\n${line}\n`, "/etc/users");
      } catch (error) {
        return error;
      }
    })();
    assert.ok(found instanceof Fail);
    assert.match(errorText(found), message);
  });
}
