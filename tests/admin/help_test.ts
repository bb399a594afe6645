/** Each command prints its usage with an example, whatever the settings are. */
import assert from "node:assert/strict";
import { commands } from "../../build/docs/commands.ts";
import { VERSION } from "../../lib/version.ts";
import { Home } from "../rig.ts";
import { countersign, snapshot } from "./home.ts";

/** Commands that mail programs call, and those without arguments. */
const OTHERS = ["shim", "incoming", "help", "version"];
const NAMES = (await commands()).map(({ name }) => name).filter((name) => !OTHERS.includes(name));

Deno.test("the commands are listed", () => {
  for (const name of ["init", "keys", "sign", "verify", "explain", "audit", "doctor", "log", "plain", "expire"]) {
    assert.ok(NAMES.includes(name), name);
  }
});

for (const name of NAMES) {
  Deno.test(`countersign ${name} --help`, async () => {
    using home = new Home();
    home.settings("nonsense = ["); // --help must work without valid settings
    const before = snapshot(home.path);
    const ran = await countersign(home, [name, "--help"]);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.match(ran.stdout, new RegExp(`^Usage: countersign ${name}`));
    assert.match(ran.stdout, new RegExp(`^Example: countersign ${name}`, "m"));
    for (const line of ran.stdout.split("\n")) assert.ok(line.length <= 120, line);
    for (const args of [["help", name], [name, "--frob", "-h"]]) {
      assert.deepEqual(await countersign(home, args), ran, args.join(" "));
    }
    assert.deepEqual(await countersign(home, [name, "-V"]), {
      code: 0,
      stdout: `countersign ${VERSION}\n`,
      stderr: "",
    });
    assert.deepEqual(snapshot(home.path), before);
    assert.ok((await countersign(home, ["help"])).stdout.includes(`\n  ${name} `));
  });
}

Deno.test("help lists the commands in groups", async () => {
  using home = new Home();
  const { stdout } = await countersign(home, ["help"]);
  const groups = stdout.split("\n\n").flatMap((part) => {
    const [title = "", ...lines] = part.split("\n");
    return title.endsWith(":") ? [[title, ...lines.map((line) => /^ {2}(\S+)/.exec(line)?.[1])]] : [];
  });
  assert.deepEqual(groups[0], ["Set up:", "init", "doctor", "config", "sandbox", "keys", "plain"]);
  const [, diagnose = [], operate = []] = groups;
  assert.equal(diagnose[0], "Diagnose:");
  for (const name of ["doctor", "explain", "audit", "verify", "sign", "log"]) assert.ok(diagnose.includes(name), name);
  assert.equal(operate[0], "Operate:");
  for (const name of ["expire", "outbox", "passwd", "serve", "submitd", "sweep"]) {
    assert.ok(operate.includes(name), name);
  }
});

Deno.test("--help after -- is an operand", async () => {
  using home = new Home();
  const ran = await countersign(home, ["expire", "--", "--help"]);
  assert.deepEqual([ran.code, ran.stdout], [64, ""]);
});
