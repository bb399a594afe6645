/** The whole program: running the real sendmail, loops, and the exit status under each name. */
import assert from "node:assert/strict";
import { Home, oneLine, ROOT } from "../rig.ts";
import { nothingSent, stub, stubArguments, stubInput, stubRuns, stubTransport } from "../stub.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";
const SHIM = `${ROOT}/shim/shim`;
const MAILDIR = `[transport]\nvia = "maildir"\nmaildir = "~/out"\n`;

/** Runs the shim under another name. */
function runAs(home: Home, name: string, args: string[], input = MAIL) {
  const link = `${home.path}/bin/${name}`;
  Deno.symlinkSync(SHIM, link);
  return home.run([link, ...args], input);
}

/** A home whose real sendmail is the stub, with these arguments first. */
function realHome(then: string, ...firstArgs: string[]): Home {
  const home = new Home();
  home.settings(`${MAILDIR}real = ${JSON.stringify([stub(home, then), ...firstArgs])}\n`);
  return home;
}

// Requests that only the real sendmail can serve. Our arguments follow those of the settings.
const requests: [name: string, args: string[], words: string[]][] = [
  ["shim", ["-bs"], ["-bs"]],
  ["shim", ["-bp"], ["-bp"]],
  ["shim", ["-q"], ["-q"]],
  ["shim", ["-q30m", "-v"], ["-q30m", "-v"]],
  ["shim", ["-v", "-bs"], ["-v", "-bs"]],
  ["shim", ["-bi"], ["-bi"]],
  ["newaliases", ["-v"], ["-bi", "-v"]],
  ["mailq", [], ["-bp"]],
  ["mailq", ["-v", "-Ac"], ["-bp", "-v", "-Ac"]],
  ["mailq", ["--", "x y"], ["-bp", "--", "x y"]],
];
for (const [name, args, expected] of requests) {
  Deno.test(`${[name, ...args].join(" ")} runs the real sendmail with ${expected.join(" ")}`, async () => {
    using home = realHome("echo the queue; echo a warning >&2; exit 0", "-C", "x.cf");
    const ran = name === "shim" ? await home.shim(args, "QUIT\n") : await runAs(home, name, args, "QUIT\n");
    assert.deepEqual(ran, { code: 0, stdout: "the queue\n", stderr: "a warning\n" });
    assert.deepEqual(stubArguments(home), ["-C", "x.cf", ...expected]);
    assert.equal(stubInput(home), "QUIT\n");
    assert.equal(stubRuns(home), 1);
    assert.deepEqual(home.mails("out"), []);
  });
}

Deno.test("the exit status of the real sendmail is passed through", async () => {
  for (const status of [64, 69, 75, 78]) {
    for (const args of [["-bs"], ["-bp"], ["-q"]]) {
      using home = realHome(`echo no >&2; exit ${status}`);
      assert.deepEqual(await home.shim(args, ""), { code: status, stdout: "", stderr: "no\n" });
    }
  }
});

Deno.test("a real sendmail that is missing or cannot be run: exit 71", async () => {
  using home = new Home();
  home.write("plain", "not a program\n");
  for (const program of [`${home.path}/missing`, `${home.path}/plain`, home.path]) {
    home.settings(`${MAILDIR}real = ["${program}"]\n`);
    for (const args of [["-bs"], ["-bp"], ["-q"]]) {
      oneLine(await home.shim(args, ""), 71, new RegExp(`^shim: ${program} cannot be run: `));
    }
  }
});

Deno.test("without transport.real -q and -bi do nothing, and -bs and -bp are errors", async () => {
  using home = new Home();
  const nothing = { code: 0, stdout: "", stderr: "" };
  for (const args of [["-q"], ["-q30m"], ["-bi"]]) assert.deepEqual(await home.shim(args, MAIL), nothing, args.join());
  assert.deepEqual(await runAs(home, "newaliases", []), nothing);
  const missing = new RegExp(
    `${home.path}/.config/countersign/config.toml: Option \\S+ requires the real sendmail: set transport.real$`,
    "m",
  );
  for (const flag of ["-bs", "-bp"]) oneLine(await home.shim([flag], ""), 64, missing);
  oneLine(await runAs(home, "mailq", []), 64, missing);
  nothingSent(home);
  // A script of a package runs newaliases as a user without settings; a queue run without settings is an error.
  const env = { COUNTERSIGN_CONFIG: `${home.path}/none.toml` };
  assert.deepEqual(await home.run([`${home.path}/bin/newaliases`], "", env), nothing);
  oneLine(await home.shim(["-q"], "", env), 78, /none\.toml: Settings file does not exist/);
});

/**
 * A link to the shim that counts how often it is run. Where the shim is installed as sendmail and the settings name
 * sendmail, the shim would run itself again and again.
 */
function countingLink(home: Home): string {
  Deno.symlinkSync(SHIM, `${home.path}/bin/itself`);
  return home.write("bin/sendmail", `#!/bin/sh\necho run >>"$HOME/stub.runs"\nexec "$HOME/bin/itself" "$@"\n`, 0o755);
}

for (const args of [["-bs"], ["-bp"], ["-q"], ["-bi"]]) {
  Deno.test(`if transport.real is the shim itself, ${args} exits 78`, async () => {
    using home = new Home();
    home.settings(`${MAILDIR}real = ["${countingLink(home)}"]\n`);
    oneLine(await home.shim(args, ""), 78, /transport\.real calls this program again$/m);
    assert.equal(stubRuns(home), 1);
  });
}

Deno.test("if transport.command is the shim itself, it exits 78 and sends nothing", async () => {
  for (const preset of ["sendmail", "qmail-inject", "msmtp"]) {
    using home = new Home();
    home.settings(`[transport]\npreset = "${preset}"\ncommand = ["${countingLink(home)}"]\n`);
    // The second shim understands qmail-inject's options only under that name.
    const expected = preset === "qmail-inject" ? /unknown option|Unknown option/ : /transport\.command calls this/;
    oneLine(await home.shim(["ann@example.net"], MAIL), preset === "qmail-inject" ? 64 : 78, expected);
    assert.equal(stubRuns(home), 1, preset);
    assert.deepEqual(home.mails("out"), []);
  }
  using home = new Home();
  Deno.symlinkSync(SHIM, `${home.path}/bin/qmail-inject`);
  home.settings(`[transport]\npreset = "qmail-inject"\ncommand = ["${home.path}/bin/qmail-inject"]\n`);
  // For a configuration error qmail-inject has only status 111.
  oneLine(await home.shim(["ann@example.net"], MAIL), 75, /transport\.command calls this program again$/m);
});

Deno.test("as qmail-inject it exits 100 for permanent and 111 for temporary errors", async (t) => {
  const permanent = [64, 65, 67, 68, 69];
  for (const status of [1, 2, ...Array.from({ length: 15 }, (_, at) => 64 + at), 99, 100, 111, 112]) {
    await t.step(`the transport program exits ${status}`, async () => {
      using home = new Home();
      home.settings(stubTransport(home, `exit ${status}`));
      const expected = permanent.includes(status) || status === 100 ? 100 : 111;
      oneLine(await runAs(home, "qmail-inject", ["ann@example.net"]), expected, /^qmail-inject: .*stub exited with/);
      assert.equal(stubRuns(home), 1);
    });
  }
  const ownErrors: [
    what: string,
    prepare: (home: Home) => void,
    args: string[],
    status: number,
    message: RegExp,
  ][] = [
    ["an invalid option", () => {}, ["-n"], 100, /Unknown option "-n"/],
    ["no recipients", () => {}, ["-a"], 100, /No recipients/],
    ["invalid settings", (home) => home.settings("nonsense = 1\n"), ["ann@example.net"], 111, /nonsense/],
    [
      "a key file that others can read",
      (home) => Deno.chmodSync(`${home.path}/.config/countersign/keys`, 0o644),
      ["ann@example.net"],
      111,
      /keys/,
    ],
    [
      "no transport program",
      (home) => Deno.removeSync(`${home.path}/stub`),
      ["ann@example.net"],
      111,
      /stub" cannot be run/,
    ],
  ];
  for (const [what, prepare, args, status, message] of ownErrors) {
    await t.step(what, async () => {
      using home = new Home();
      home.settings(stubTransport(home));
      prepare(home);
      oneLine(await runAs(home, "qmail-inject", args), status, message);
      nothingSent(home);
    });
  }
  await t.step("an invalid header", async () => {
    using home = new Home();
    home.settings(stubTransport(home));
    oneLine(await runAs(home, "qmail-inject", [], "From: greg@example.org\nTo: (\n\n"), 100, /Field To/);
    nothingSent(home);
  });
});
