/** Tests of installed programs, which install_test.ts and deb_test.ts share. */
import assert from "node:assert/strict";
import { CREATED, fieldOf, filesBelow, Home, oneLine, qsbmf } from "./rig.ts";

/** A message of greg. */
export const MAIL = "From: greg@example.org\nTo: ann@example.net\nSubject: Hello\nMessage-ID: <1@example.org>\n\nHi.\n";
/** A bounce to greg of another message. */
export const FORGED = qsbmf("greg@example.org", "From: greg@example.org\nMessage-ID: <lie@spam.example>\n\nBuy!\n");

/** The environment of a user without Deno, cache or writable home. */
export function minimalEnv(home: Home): Record<string, string> {
  const config = `${home.path}/.config/countersign/config.toml`;
  return { HOME: "/dev/null", DENO_DIR: "/dev/null/deno", COUNTERSIGN_CONFIG: config, PATH: `${home.path}/tools` };
}

/** A home whose settings do not depend on HOME, with the tools that a launcher uses. */
export async function userHome(): Promise<Home> {
  const home = new Home();
  home.write(".config/countersign/config.toml", "");
  const { path } = home;
  const identity = `address = "greg@example.org"\nsrs_domain = "srs.example.org"\nkeys = "${path}/keys"`;
  const transport = `[transport]\nvia = "maildir"\nmaildir = "${path}/out"`;
  const text =
    `state.folder = "${path}/state"\n[[identity]]\n${identity}\n${transport}\n[incoming]\nspam = "${path}/spam"\n`;
  home.write(".config/countersign/config.toml", text);
  home.write("keys", `k1 ${CREATED} not a real secret either\n`, 0o600);
  Deno.mkdirSync(`${path}/tools`);
  for (const tool of ["readlink", "cat", "env"]) {
    const { stdout } = await home.run(["/bin/sh", "-c", `command -v ${tool}`]);
    Deno.symlinkSync(stdout.trim(), `${path}/tools/${tool}`);
  }
  return home;
}

/**
 * Sends a message with the installed shim, and judges its bounce and a forged one. `as` is a prefix of the commands.
 */
export async function testPrograms(home: Home, prefix: string, as: string[] = []): Promise<void> {
  const env = minimalEnv(home);
  const before = home.mails("out").length;
  const sent = await home.run([...as, `${prefix}/bin/shim`, "-i", "--", "ann@example.net"], MAIL, env);
  assert.deepEqual([sent.code, sent.stderr], [0, ""]);
  const out = home.mails("out");
  assert.equal(out.length, before + 1);
  const signed = out.at(-1)!;
  const sender = fieldOf(signed, "Return-Path").replace(/[<>]/g, "");
  assert.match(sender, /^SRS0=.*=example\.org=greg@srs\.example\.org$/);

  const hook = `${prefix}/lib/countersign/hooks/incoming`;
  const [local, host] = sender.split("@") as [string, string];
  const bounce = (...args: string[]) =>
    home.run([...as, hook, ...args], qsbmf(sender, signed), { ...env, SENDER: "", EXT: local, HOST: host });
  const genuine = await bounce("--maildir", `${home.path}/in`);
  assert.deepEqual([genuine.code, genuine.stderr], [99, ""]);
  assert.match(fieldOf(home.mails("in").at(-1)!, "X-Countersign"), /^genuine;/);
  // It finds the program that locks a mailbox, which may say that dotlockfile is missing.
  const mailbox = `mbox.${before}`;
  const mbox = await bounce("--mbox", `${home.path}/${mailbox}`);
  if (mbox.code !== 99) oneLine(mbox, 75, /: \/usr\/bin\/dotlockfile does not exist: install liblockfile-bin\n$/);
  else assert.match(home.read(mailbox), /^From MAILER-DAEMON .*\n(?:Return-Path: .*\n)?X-Countersign: genuine;/);
  const forged = await home.run([...as, hook], FORGED, { ...env, SENDER: "", EXT: "greg", HOST: "example.org" });
  assert.deepEqual([forged.code, forged.stderr], [99, ""]);
  assert.match(fieldOf(home.mails("spam").at(-1)!, "X-Countersign"), /^forged;/);
}

/** Asserts that every relative link in the Markdown files below a folder leads to a file or folder. */
export function assertLinks(folder: string): void {
  let count = 0;
  for (const path of filesBelow(folder).filter((one) => one.endsWith(".md"))) {
    for (const [, link] of Deno.readTextFileSync(path).matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)) {
      if (/^\w+:/.test(link!)) continue;
      assert.ok(Deno.statSync(new URL(link!, `file://${path}`)), `${path}: ${link}`);
      count++;
    }
  }
  assert.ok(count > 100, `${count} links`);
}
