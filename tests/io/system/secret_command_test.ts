/** Programs that print a password: what is accepted, what each failure says, and what never appears in an error. */
import assert from "node:assert/strict";
import { errorText, Fail } from "../../../lib/fail.ts";
import { readSecret, type SecretCommand } from "../../../io/system/secret_command.ts";
import { until } from "../../programs/postfix.ts";
import { TempFolder } from "../../rig.ts";

const SECRET = "correct horse";
const sh = (script: string, more: Partial<SecretCommand> = {}) =>
  readSecret({ argv: ["/bin/sh", "-c", script], setting: "password_command", timeout: 20, ...more });

/** The kind and text of the error, which does not contain the secret. */
async function failure(run: Promise<string>): Promise<string> {
  const error = await run.then(() => assert.fail("printed a secret"), (error) => error);
  assert.ok(error instanceof Fail, `${error?.stack ?? error}`);
  for (const text of [errorText(error), Deno.inspect(error)]) assert.ok(!text.includes(SECRET), text);
  return `${error.kind} ${errorText(error)}`;
}

Deno.test("one line, with or without its end", async () => {
  for (
    const [script, secret] of [
      [`echo '${SECRET}'`, SECRET],
      [`printf '%s' '${SECRET}'`, SECRET],
      [`printf '%s\\r\\n' '${SECRET}'`, SECRET],
      ["echo ' a\tb '", " a\tb "],
      ["printf 'gr\\303\\274n\\n'", "grün"],
      [`head -c 9000 /dev/zero | tr '\\0' t`, "t".repeat(9000)],
      // A daemon that it started keeps the pipe open.
      [`sleep 30 & echo $! >&2; echo '${SECRET}'`, SECRET],
    ] as const
  ) {
    assert.equal(await sh(script), secret, script);
  }
});

const HINT = "unlock the keyring, or run the program in a terminal";
const ALONE = "let it print the secret alone, on one line";

/** [what, script, error] */
const FAILURES: [what: string, script: string, says: string][] = [
  ["nothing", ":", `config password_command printed nothing instead of one line: ${ALONE}`],
  ["an empty line", "echo", `config password_command printed nothing instead of one line: ${ALONE}`],
  [
    "two lines",
    `echo '${SECRET}'; echo 'user: greg'`,
    `config password_command printed 2 lines instead of one line: ${ALONE}`,
  ],
  ["an empty second line", `printf 'x\\n\\n'`, `config password_command printed 2 lines instead of one line: ${ALONE}`],
  [
    "a NUL",
    `printf 'a\\0b'`,
    `config password_command printed a control character instead of one line: ${ALONE}`,
  ],
  [
    "bytes that are not UTF-8",
    `printf '${SECRET} \\351\\n'`,
    `config password_command printed text that is not UTF-8 instead of one line: ${ALONE}`,
  ],
  [
    "too much",
    "yes | head -c 1000000",
    `config password_command printed more than 65536 bytes instead of one line: ${ALONE}`,
  ],
  ["a failure", "exit 2", `temporary password_command exited with status 2: ${HINT}`],
  [
    "a failure that says why",
    "echo first >&2; echo 'gpg: decryption failed: No secret key' >&2; exit 2",
    `temporary password_command exited with status 2: gpg: decryption failed: No secret key: ${HINT}`,
  ],
  [
    "a failure after printing the secret, twice",
    `echo '${SECRET}'; echo 'not ${SECRET}!' >&2; exit 1`,
    `temporary password_command exited with status 1: not …!: ${HINT}`,
  ],
  [
    "control characters",
    "printf '\\033[31mred\\n' >&2; exit 1",
    `temporary password_command exited with status 1: [31mred: ${HINT}`,
  ],
  ["a signal", "kill -TERM $$", "temporary password_command was killed by SIGTERM"],
  ["a real-time signal", "kill -40 $$", "temporary password_command was killed by an unknown signal"],
];

for (const [what, script, says] of FAILURES) {
  Deno.test(`a program that prints ${what}`, async () => assert.equal(await failure(sh(script)), says));
}

Deno.test("a program that does not exist, or is not executable", async () => {
  using folder = new TempFolder();
  const file = `${folder.path}/pass`;
  const run = () => failure(readSecret({ argv: [file], setting: "password_command", timeout: 20 }));
  assert.match(await run(), /^config password_command cannot be run: .*: install \S+\/pass, or change the setting$/);
  Deno.writeTextFileSync(file, "#!/bin/sh\n", { mode: 0o644 });
  assert.match(await run(), /^config password_command cannot be run: .*: install \S+\/pass, or change the setting$/);
});

Deno.test("a program that the sandbox does not permit", { permissions: { env: true, run: [] } }, async () => {
  assert.match(await failure(sh("echo x")), /^temporary password_command cannot be run: .*: countersign sandbox$/);
});

Deno.test("a program that hangs is killed with its children", async () => {
  using folder = new TempFolder();
  const script = `sleep 60 & echo $! >${folder.path}/child; echo $$ >${folder.path}/parent; echo '${SECRET}'; wait`;
  const start = performance.now();
  assert.equal(
    await failure(sh(script, { timeout: 0.5 })),
    `temporary password_command took longer than 0.5 s and was killed: ${HINT}`,
  );
  assert.ok(performance.now() - start < 10_000);
  await gone(folder.path);
});

Deno.test("a signal kills it, too", async () => {
  using folder = new TempFolder();
  const abort = new AbortController();
  const script = `sleep 60 & echo $! >${folder.path}/child; echo $$ >${folder.path}/parent; wait`;
  const run = failure(sh(script, { signal: abort.signal }));
  await until("the program", () => read(`${folder.path}/parent`) !== "");
  abort.abort(new Error("stopped by a signal"));
  assert.equal(await run, "temporary password_command was killed: stopped by a signal");
  await gone(folder.path);
});

/** Waits until both processes have exited. */
async function gone(folder: string): Promise<void> {
  for (const name of ["parent", "child"]) {
    const pid = read(`${folder}/${name}`);
    assert.match(pid, /^\d+$/);
    // A zombie has no command line.
    await until(`the end of ${name}`, () => read(`/proc/${pid}/cmdline`) === "");
  }
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return "";
  }
}

Deno.test("standard input is empty, no terminal is asked, and the arguments are not read by a shell", async () => {
  assert.equal(await sh("cat; echo end"), "end");
  const argv = ["/usr/bin/printf", "%s", "$HOME; `id` *"];
  assert.equal(await readSecret({ argv, setting: "x", timeout: 20 }), "$HOME; `id` *");
});
