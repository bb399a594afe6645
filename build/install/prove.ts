/**
 * What was installed does its work, before it is said to be installed: a message
 * goes out, its bounce comes in, a forged one is filed. On the way Deno fills
 * the cache that all users read.
 */
import { VERSION } from "../../lib/version.ts";

/** What is tried. */
export interface Programs {
  readonly shim: string;
  readonly countersign: string;
  readonly hook: string;
  /** Deno's cache for shim and hook. */
  readonly cache: string;
}

const SETTINGS = `[[identity]]
address = "you@example.org"
srs_domain = "srs.example.org"

[transport]
preset = "sendmail"
command = ["/bin/sh", "-c", "exec cat >out", "sh"]
`;
const MAIL = "From: you@example.org\nTo: somebody@example.net\n\nHello.\n";

/** @throws {Error} with the program that does not do what it should, and what it said */
export async function prove({ shim, countersign, hook, cache }: Programs): Promise<void> {
  const home = Deno.makeTempDirSync({ prefix: "countersign-" });
  const at = (name: string) => `${home}/${name}`;
  const env = {
    HOME: home,
    XDG_CONFIG_HOME: at("config"),
    SENDER: "",
    RECIPIENT: "you@example.org",
    HOST: "example.org",
  };
  const run = async (argv: readonly string[], expected: number, input = "") => {
    const [program, ...args] = argv as [string, ...string[]];
    const mine = { ...env, EXT: "", ...(program === countersign ? {} : { DENO_DIR: cache }) };
    const piped = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    const child = new Deno.Command(program, { args, env: mine, cwd: home, ...piped }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {}); // it says why itself
    const { code, stdout, stderr } = await child.output();
    const said = new TextDecoder().decode(stdout);
    if (code !== expected) throw new Error(`${program} does not run: ${said}${new TextDecoder().decode(stderr)}`);
    return said;
  };
  try {
    const said = await run([countersign, "version"], 0);
    if (said !== `countersign ${VERSION}\n`) throw new Error(`${countersign} is not what was installed: ${said}`);
    Deno.mkdirSync(at("config/countersign"), { recursive: true });
    Deno.writeTextFileSync(at("config/countersign/keys"), keyOfToday(), { mode: 0o600 });
    Deno.writeTextFileSync(at("config/countersign/config.toml"), SETTINGS);

    await run([shim, "-i", "--", "somebody@example.net"], 0, MAIL);
    const returned = Deno.readTextFileSync(at("out"));
    await run([hook], 0, bounce(returned));
    await run([hook], 99, bounce(MAIL));
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
  for (const { name, isDirectory } of Deno.readDirSync(cache)) {
    Deno.chmodSync(`${cache}/${name}`, isDirectory ? 0o755 : 0o644);
  }
}

const keyOfToday = () => `k1 ${new Date().toISOString().slice(0, 10)} ${crypto.randomUUID()}\n`;

/** A bounce as qmail writes it. */
const bounce = (mail: string) =>
  `From: MAILER-DAEMON@example.net\nTo: you@example.org\nSubject: failure notice\n\n` +
  `Hi. This is the qmail-send program at example.net.\n\n<somebody@example.net>:\nNobody is here.\n\n` +
  `--- Below this line is a copy of the message.\n\n${mail}`;
