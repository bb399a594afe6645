/**
 * `-h` and `-V` print help and version, whatever the settings are. tests/admin/help_test.ts does this for the commands.
 */
import assert from "node:assert/strict";
import { VERSION } from "../lib/version.ts";
import { Home, ROOT } from "./rig.ts";

const HOOKS = ["incoming", "doorbell", "opensmtpd", "queue", "rcptcheck"].map((name) => `hooks/${name}`);
const CHAIN = ["authup", "fixsmtpio", "ofmipd", "reup", "checknotroot", "checkpassword"].map((name) =>
  `submit/${name}`
);

for (const program of [...HOOKS, ...CHAIN]) {
  Deno.test(`${program} -h and -V`, async () => {
    using home = new Home();
    home.settings("nonsense = [");
    const [, name] = program.split("/");
    const run = (option: string) => home.run([`${ROOT}/${program}`, option]);
    const [help, short, version, long] = await Promise.all(["--help", "-h", "--version", "-V"].map(run));
    assert.match(help!.stdout, new RegExp(`^usage: .*${name}`, "i"));
    assert.deepEqual([help!.code, help!.stderr, short], [0, "", help]);
    assert.deepEqual(version, { code: 0, stdout: `countersign ${VERSION}\n`, stderr: "" });
    assert.deepEqual(long, version);
  });
}

Deno.test("the shim has --help and --version; -h and -V are sendmail's and take an argument", async () => {
  using home = new Home();
  const shim = (...args: string[]) => home.shim(args, "");
  assert.match((await shim("--help")).stdout, /^Usage: shim /);
  assert.equal((await shim("--version")).stdout, `countersign ${VERSION}\n`);
  for (const option of ["-h", "-V"]) {
    const { code, stdout, stderr } = await shim(option);
    assert.deepEqual([code, stdout, stderr], [64, "", `shim: Option ${option} needs an argument\n`]);
  }
});
