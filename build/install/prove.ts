/**
 * Tests an installation: sends a message, delivers its bounce, and files a forged one. Meanwhile Deno fills the cache
 * that all users read.
 */
import { VERSION } from "../../lib/version.ts";

/** The programs to test. */
export interface Programs {
  readonly shim: string;
  readonly countersign: string;
  readonly hook: string;
  readonly doorbell: string;
  /** The client of hooks/queue. */
  readonly ask: string;
  /** The folder of the programs for tcpserver. */
  readonly submit: string;
  /** Deno's cache for shim and hook. */
  readonly cache: string;
}

const SETTINGS = `[[identity]]
address = "you@example.org"
srs_domain = "srs.example.org"

[transport]
preset = "sendmail"
command = ["/bin/sh", "-c", "exec cat >out", "sh"]

[[doorbell]]
name = "svc"
address = "svc@example.org"
`;
const MAIL = "From: you@example.org\nTo: somebody@example.net\n\nHello.\n";

/** Runs the programs. @throws {Error} with the path and the output of a program that fails */
export async function prove({ shim, countersign, hook, doorbell, ask, submit, cache }: Programs): Promise<void> {
  const home = Deno.makeTempDirSync({ prefix: "countersign-" });
  const at = (name: string) => `${home}/${name}`;
  const env = {
    HOME: home,
    XDG_CONFIG_HOME: at("config"),
    SENDER: "",
    RECIPIENT: "you@example.org",
    HOST: "example.org",
    COUNTERSIGN_LOOKUP: at("lookup"),
    COUNTERSIGN_CONTROL: home,
  };
  const run = async (argv: readonly string[], expected: number, input = "") => {
    const [program, ...args] = argv as [string, ...string[]];
    const mine = { ...env, EXT: "", ...(program === countersign ? {} : { DENO_DIR: cache }) };
    const piped = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    const child = new Deno.Command(program, { args, env: mine, cwd: home, ...piped }).spawn();
    const writer = child.stdin.getWriter();
    // An error is reported by its status.
    await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
    const { code, stdout, stderr } = await child.output();
    const output = new TextDecoder().decode(stdout);
    if (code !== expected) throw new Error(`${program} does not work: ${output}${new TextDecoder().decode(stderr)}`);
    return output;
  };
  try {
    const version = await run([countersign, "version"], 0);
    if (version !== `countersign ${VERSION}\n`) throw new Error(`${countersign} is a different version: ${version}`);
    Deno.mkdirSync(at("config/countersign"), { recursive: true });
    Deno.writeTextFileSync(at("config/countersign/keys"), keyOfToday(), { mode: 0o600 });
    Deno.writeTextFileSync(at("config/countersign/config.toml"), SETTINGS);

    await run([shim, "-i", "--", "somebody@example.net"], 0, MAIL);
    const returned = Deno.readTextFileSync(at("out"));
    await run([hook], 0, bounce(returned));
    await run([hook], 99, bounce(MAIL));
    Deno.writeTextFileSync(at("config/countersign/doorbell-keys"), keyOfToday(), { mode: 0o600 });
    await run([doorbell, "--recipient", "svc@example.org", "--", "/bin/true"], 99, MAIL);
    await run([ask, "data"], 75, `F\0Tyou@example.org\0\0${MAIL}`); // nobody answers here
    await run([`${submit}/authup`, "smtp", "/bin/false"], 0, "EHLO me\r\nQUIT\r\n");
    await run([`${submit}/fixsmtpio`, "/bin/cat"], 0);
    await run([`${submit}/ofmipd`], 0, "EHLO me\r\nQUIT\r\n");
    await run([`${submit}/verify`, `file:${home}/users`], 75, "you\0password\0\0"); // there is no such file
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
  for (const { name, isDirectory } of Deno.readDirSync(cache)) {
    Deno.chmodSync(`${cache}/${name}`, isDirectory ? 0o755 : 0o644);
  }
}

const keyOfToday = () => `k1 ${new Date().toISOString().slice(0, 10)} ${crypto.randomUUID()}\n`;

/** Returns a bounce in the format of qmail. */
const bounce = (mail: string) =>
  `From: MAILER-DAEMON@example.net\nTo: you@example.org\nSubject: failure notice\n\n` +
  `Hi. This is the qmail-send program at example.net.\n\n<somebody@example.net>:\nNobody is here.\n\n` +
  `--- Below this line is a copy of the message.\n\n${mail}`;
