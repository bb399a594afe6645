/** The completions are up to date and correct, and real shells offer them. */
import assert from "node:assert/strict";
import { command, commands } from "../../build/docs/commands.ts";
import { completions } from "../../build/docs/completions.ts";
import { countersign } from "../admin/run.ts";
import { Home, ROOT } from "../rig.ts";
import { need } from "./need.ts";
import { needOnTerminal, Terminal } from "./terminal.ts";

const FOLDER = `${ROOT}/contrib/completions`;

Deno.test("contrib/completions is up to date", async () => {
  const expected = await completions();
  assert.deepEqual([...Deno.readDirSync(FOLDER)].map(({ name }) => name).sort(), Object.keys(expected).sort());
  for (const [name, text] of Object.entries(expected)) {
    const current = Deno.readTextFileSync(`${FOLDER}/${name}`);
    assert.ok(current === text, `${name} is out of date; run: deno run -A build/docs/completions.ts`);
  }
});

Deno.test("every completed option exists, with or without a value as stated", async () => {
  using home = new Home();
  const all = await commands();
  const options = all.flatMap(({ name, options }) => options.map((option) => ({ command: name, ...option })));
  assert.ok(options.length > 20);
  await Promise.all(options.map(async ({ command, name, value, text }) => {
    assert.notEqual(text, "", `${command} --${name}`);
    const word = `--${name}${value === undefined ? "=x" : ""}`;
    // Without a word of its own, `doorbell` is the hook, which has other options.
    const verb = command === "doorbell" && name === "file" ? ["allow"] : [];
    const { code, stderr } = await countersign(home, [command, ...verb, word]);
    assert.notEqual(code, 0, `${command} ${word}`);
    const message = value === undefined
      ? /takes no value|Unknown argument "--\w+=x"/
      : /needs a value|needs an argument/;
    assert.match(stderr, message, `${command} ${word}`);
    assert.ok(!stderr.includes(`Unknown option "--${name}"`), stderr);
  }));
});

const HELP_TEXTS: [text: string, options: [name: string, value: string | undefined][]][] = [
  ["Usage: countersign x", []],
  ["Usage: countersign x [--a FILE]", [["a", "FILE"]]],
  ["Usage: countersign x [--a in|out]\nText.\n\n  --a WAY  a way\n", [["a", "in|out"]]],
  ["Usage: countersign x\nText.\n\n  --a  no value, but --b\n  --c 'WORDS'  one\n", [["a", undefined], ["c", "WORDS"]]],
  ["Usage: countersign x [--a]\n       countersign x --b\nText --c.\n\nExample: x --d\n", [["a", undefined], [
    "b",
    undefined,
  ]]],
];
for (const [text, options] of HELP_TEXTS) {
  Deno.test(`options of ${JSON.stringify(text)}`, () => {
    const found = command("x", "", text).options;
    assert.deepEqual(found.map(({ name, value }) => [name, value]), options);
  });
}

Deno.test("a list without two spaces between term and text is an error", () => {
  assert.throws(() => command("x", "", "Usage: x\n\n  --a text\n"), /two spaces apart/);
});

const COMPLETIONS: [typed: string, offered: string[]][] = [
  ["", ["init", "version"]],
  ["ex", ["explain", "expire"]],
  ["keys ", ["list", "new", "retire", "import"]],
  ["keys --ne", ["--newline"]],
  ["keys --newline ", ["keep", "cut"]],
  ["keys import --from post", ["postsrsd"]],
  ["log --direction i", ["in"]],
  ["log --direction=o", ["out"]],
  ["log --direction in --re", ["--result"]],
  ["sign --scheme ", ["srs", "prvs"]],
  ["plain ", ["list", "add", "remove"]],
  ["help doc", ["doctor"]],
  ["sign --config ", []],
  ["nonsense ", []],
];

const bash = await need("bash");
for (const [typed, offered] of COMPLETIONS) {
  bash(`bash offers ${offered} for ${JSON.stringify(typed)}`, async () => {
    using home = new Home();
    const words = ["countersign", ...typed.split(/ |(=)/).filter((word) => word !== undefined)];
    const script = '. "$0"; compopt() { :; }; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _countersign; ' +
      'printf "%s\\n" "${COMPREPLY[@]}"';
    const ran = await home.run(["bash", "-c", script, `${FOLDER}/countersign.bash`, ...words]);
    assert.deepEqual([ran.code, ran.stderr], [0, ""]);
    const offers = ran.stdout.split("\n").filter((word) => word !== "");
    if (typed === "") { for (const word of offered) assert.ok(offers.includes(word), ran.stdout); }
    else {assert.deepEqual(
        offers.filter((word) => !["keys ", "plain "].includes(typed) || !word.startsWith("-")),
        offered,
      );}
  });
}

/** How to start each shell with no completions but Countersign's. */
const SHELLS: Record<string, { argv: string[]; before: string }> = {
  bash: { argv: ["bash", "--norc", "--noprofile"], before: `. ${FOLDER}/countersign.bash` },
  zsh: { argv: ["zsh", "-f"], before: `fpath=(${FOLDER} $fpath); autoload -Uz compinit; compinit -u -D` },
  fish: { argv: ["fish", "--no-config"], before: `source ${FOLDER}/countersign.fish` },
};
for (const [shell, { argv, before }] of Object.entries(SHELLS)) {
  (await needOnTerminal(shell))(`a real ${shell} completes commands, options, words and files`, async () => {
    using home = new Home();
    home.write("bin/countersign", `#!/bin/sh\nprintf '<%s> ' "$@"\n`, 0o755);
    home.write("settings of mine.toml", "");
    await using terminal = await Terminal.open(home, argv);
    await terminal.type(`cd; ${before}; echo rea""dy`);
    await terminal.press("Enter");
    await terminal.shows(/^ready/m);
    const steps = [["countersign expl", /explain/], ["--jso", /--json/], ["--conf", /--config/], [
      "sett",
      /toml/,
    ]] as const;
    for (const [typed, becomes] of steps) {
      await terminal.type(typed);
      await terminal.press("Tab");
      await terminal.shows(becomes);
    }
    await terminal.press("Enter");
    await terminal.shows(/^<explain> <--json> <--config(?:=|> <)settings of mine\.toml>/m);
  });
}

Deno.test("paragraphs are refilled, but columns are kept", () => {
  const { parts } = command("x", "", "Usage: x\nOne\ntwo.\n\na  b\nc  d\n\n  --e  f\n     g\n");
  assert.deepEqual(parts, ["One two.", "a  b\nc  d", [{ term: "--e", text: "f g" }]]);
});
