/** One program with many names. */
import assert from "node:assert/strict";
import { VERSION } from "../lib/version.ts";
import { fieldOf, Home, oneLine, type Ran, ROOT } from "./rig.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";

/** Runs main.ts under this name, as a launcher does. */
function run(home: Home, name: string, args: readonly string[], input = ""): Promise<Ran> {
  const deno = [Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/main.ts`];
  return home.run([...deno, name, ...args], input);
}

/** [name, arguments, output] */
const OUTPUTS: [string, string[], RegExp][] = [
  ["countersign", ["help"], /^Usage: countersign COMMAND/],
  ["countersign", ["--help"], /^Usage: countersign COMMAND/],
  ["countersign", ["help", "help"], /^Usage: countersign COMMAND/],
  ["countersign", ["help", "mailq"], /^Usage: countersign COMMAND/],
  ["countersign", ["help", "shim"], /^Usage: shim /],
  ["countersign", ["help", "incoming"], /^Usage: incoming /],
  ["countersign", ["shim", "--help"], /^Usage: shim /],
  ["countersign", ["sendmail", "--help"], /^Usage: shim /],
  ["countersign", ["incoming", "--help"], /^Usage: incoming /],
  ["countersign", ["version"], new RegExp(`^countersign ${VERSION}\n$`)],
  ["countersign", ["--version"], new RegExp(`^countersign ${VERSION}\n$`)],
  ["countersign", ["-h"], /^Usage: countersign COMMAND/],
  ["countersign", ["-V"], new RegExp(`^countersign ${VERSION}\n$`)],
  ["countersign", ["incoming", "-h"], /^Usage: incoming /],
  ["countersign", ["serve", "-V"], new RegExp(`^countersign ${VERSION}\n$`)],
  ["countersign", ["submitd", "-h"], /^Usage: countersign submitd /],
  ["main.ts", ["version"], new RegExp(`^countersign ${VERSION}\n$`)],
  ["shim", ["--help"], /^Usage: shim /],
  ["sendmail", ["--help"], /^Usage: shim /],
  ["incoming", ["--help"], /^Usage: incoming /],
];
for (const [name, args, text] of OUTPUTS) {
  Deno.test(`${name} ${args.join(" ")} prints ${text}`, async () => {
    using home = new Home();
    const ran = await run(home, name, args);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.match(ran.stdout, text);
  });
}

/** [name, arguments, error message] */
const ERRORS: [string, string[], RegExp][] = [
  ["countersign", [], /^countersign: No command given; try countersign help$/m],
  ["countersign", [""], /^countersign: No command given; /],
  ["countersign", ["shmi"], /^countersign: Unknown command "shmi"; did you mean shim\?/],
  ["countersign", ["incomming", "x"], /did you mean incoming\?/],
  ["countersign", ["xyzzy"], /^countersign: Unknown command "xyzzy"; try countersign help$/m],
  ["countersign", ["help", "docter"], /^countersign: Unknown command "docter"; did you mean doctor\?/],
  ["countersign", ["constructor"], /Unknown command "constructor"/],
  ["countersign", ["--shim"], /Unknown command "--shim"/],
  ["countersign", ["two\nlines"], /Unknown command "two\\nlines"/],
  ["toString", ["xyzzy"], /Unknown command "xyzzy"/],
];
for (const [name, args, text] of ERRORS) {
  Deno.test(`${name} ${JSON.stringify(args)} is a usage error`, async () => {
    using home = new Home();
    const ran = await run(home, name, args);
    oneLine(ran, 64, text);
    assert.equal(ran.stdout, "");
  });
}

for (const [name, ...first] of [["shim"], ["sendmail"], ["qmail-inject"], ["countersign", "shim"]] as const) {
  Deno.test(`${[name, ...first].join(" ")} sends a message`, async () => {
    using home = new Home();
    const ran = await run(home, name, [...first, "ann@example.net"], MAIL);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    assert.deepEqual(home.mails("out").map((mail) => fieldOf(mail, "X-Envelope-To")), ["ann@example.net"]);
  });
}

Deno.test("a command keeps its name and exit status", async () => {
  using home = new Home();
  oneLine(await run(home, "countersign", ["qmail-inject", "--"], "To: <broken\n\n"), 100, /^qmail-inject: /);
  oneLine(await run(home, "countersign", ["incoming", "--as", "condredirect", "--no"], MAIL), 111, /^incoming: /);
});

Deno.test("the package's command line takes the command as its first argument", async () => {
  using home = new Home();
  const cli = (...args: string[]) =>
    home.run([Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/build/cli.ts`, ...args]);
  const version = await cli("version");
  assert.deepEqual([version.code, version.stdout], [0, `countersign ${VERSION}\n`]);
  oneLine(await cli("doctr"), 64, /Unknown command "doctr"[^\n]*doctor/);
});
