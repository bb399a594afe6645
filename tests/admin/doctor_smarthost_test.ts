/** doctor and the submission server: its files, and a login that sends nothing. */
import assert from "node:assert/strict";
import { checkSmarthost } from "../../admin/doctor/smarthost.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
import { Authority } from "../certificates.ts";
import { need } from "../programs/need.ts";
import { deadPort, Sink } from "../smtp_sink.ts";

const test = await need("openssl");

const FILE = "/home/greg/.config/countersign/config.toml";
const HEAD = '[[identity]]\naddress = "greg@example.org"\n\n[transport]\n';

/** Returns the findings, as file and line, then what; and the notes. */
async function examined(transport: string): Promise<string[]> {
  const text = `${HEAD}${transport}\n`;
  const settings = parseConfig(text, { file: FILE, home: "/home/greg" });
  const { findings, notes } = await checkSmarthost({ file: FILE, text }, settings);
  const found = findings.map(({ what, where, fix }) => {
    assert.notEqual(fix, "");
    return `${where.file}${where.line === undefined ? "" : `:${where.line}`} ${what} | ${fix}`;
  });
  return [...found, ...notes];
}

const line = `${FILE}:${(HEAD + "via\nhost").split("\n").length}`;
const smtp = (port: number, more = 'security = "none"') => `via = "smtp"\nhost = "127.0.0.1"\nport = ${port}\n${more}`;

Deno.test("a server that answers, one that does not, and one that is not contacted", async () => {
  assert.deepEqual(await examined('preset = "exim"'), []);
  await using sink = new Sink();
  assert.deepEqual(await examined(smtp(sink.port)), []);
  assert.deepEqual(sink.lines, ["EHLO [127.0.0.1]", "QUIT"], "nothing is sent");
  sink.answers = { greeting: "554 No" };
  const fix = "Check transport.host, port, security and ca, and whether the server is reachable";
  assert.deepEqual(await examined(smtp(sink.port)), [
    `${line} 127.0.0.1:${sink.port} cannot be used: "554 No" | ${fix}`,
  ]);
  const dead = deadPort();
  const [found] = await examined(smtp(dead));
  assert.ok(found!.startsWith(`${line} 127.0.0.1:${dead} cannot be used: connection refused`), found);
});

Deno.test({
  name: "without network permission there is a note",
  permissions: { read: true, env: true, net: false, sys: ["uid"] },
  async fn() {
    const note = "127.0.0.1:25 was not checked: this program has no permission to connect to it";
    assert.deepEqual(await examined(smtp(25)), [note]);
  },
});

test("a wrong password, and problems with its file", async () => {
  using authority = await Authority.make();
  const leaf = await authority.leaf("IP:127.0.0.1");
  await using sink = new Sink({ extensions: ["AUTH PLAIN"] }, leaf);
  const secret = `${authority.folder}/password`;
  Deno.writeTextFileSync(secret, "correct horse\n", { mode: 0o600 });
  const transport = smtp(sink.port, `ca = "${authority.ca}"\nuser = "greg"\npassword_file = "${secret}"`);
  assert.deepEqual(await examined(transport), []);
  assert.ok(sink.lines.some((one) => one.startsWith("AUTH")), "it logged in");
  assert.ok(!sink.lines.some((one) => one.startsWith("MAIL")));

  sink.answers.auth = "535 5.7.8 Bad password";
  assert.deepEqual(await examined(transport), [
    `${line} 127.0.0.1:${sink.port} rejected the login of "greg": "535 5.7.8 Bad password" | ` +
    `Check transport.user and the password in ${secret}`,
  ]);

  const before = sink.lines.length;
  Deno.chmodSync(secret, 0o644);
  const mode = "Password file is readable by others (mode 0644)";
  assert.deepEqual(await examined(transport), [`${secret} ${mode} | chmod 600 ${secret}`]);
  Deno.chmodSync(authority.ca, 0o666);
  assert.equal((await examined(transport)).length, 2, "both are reported");
  Deno.chmodSync(authority.ca, 0o644);
  Deno.removeSync(secret);
  const [missing] = await examined(transport);
  assert.equal(missing, `${secret} Password file does not exist | write the password to it, on a single line`);
  assert.equal(sink.lines.length, before, "the server was not contacted");
});
