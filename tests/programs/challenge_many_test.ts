/** Of two hundred hooks that get the same challenge, exactly one answers. */
import assert from "node:assert/strict";
import { fieldOf } from "../rig.ts";
import { installOnce } from "./installation.ts";
import { Member, PLAIN } from "./member.ts";

const HOOKS = 200;
/** How many hooks run at the same time. */
const CONCURRENCY = 8;

/** Deno's flags in an installed launcher. */
const FLAGS = "run -q --no-prompt --no-config --no-lock --no-npm --no-remote --cached-only -A".split(" ");

Deno.test("two hundred hooks on the same challenge send one answer", async () => {
  using home = new Member();
  const [challenge] = await home.post("A patch");
  const hook = `${await installOnce()}/prefix/lib/countersign/hooks/incoming.js`;
  const message = new TextEncoder().encode(challenge!.mail);

  /** Starts a hook and writes the message to it. @returns a function that closes its input and waits for it */
  const start = (nth: number): () => Promise<{ code: number; stderr: string }> => {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...FLAGS, hook, "incoming", "--maildir", "Maildir"],
      cwd: home.path,
      clearEnv: true,
      env: { ...home.env, HOME: home.path, PATH: "/usr/bin:/bin", SENDER: "", RECIPIENT: PLAIN, HOOK: String(nth) },
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    const written = writer.write(message);
    return async () => {
      await written;
      await writer.close();
      const { code, stderr } = await child.output();
      return { code, stderr: new TextDecoder().decode(stderr) };
    };
  };
  const codes: number[] = [];
  while (codes.length < HOOKS) {
    const ends = Array.from({ length: Math.min(CONCURRENCY, HOOKS - codes.length) }, (_, i) => start(codes.length + i));
    for (const { code, stderr } of await Promise.all(ends.map((end) => end()))) {
      assert.equal(stderr, "");
      codes.push(code);
    }
  }
  // With --maildir the hook exits 99 both when it answers and when it delivers.
  assert.deepEqual(codes, Array(HOOKS).fill(99));

  const { sent } = home.transport();
  assert.deepEqual(sent.map(({ argv }) => argv.slice(2)), [[PLAIN, "--", challenge!.confirm]]);
  assert.equal(home.released.length, 1);
  assert.equal(home.kept().length, 1);
  assert.deepEqual(home.ledger(), { issued: 0, claimed: 0, spent: 1 });
  const marks = home.inbox().map((mail) => fieldOf(mail, "X-Countersign"));
  assert.equal(marks.length, HOOKS - 1);
  for (const mark of marks) {
    assert.match(mark, /already answered|another hook is answering it|an answer was started and may have been sent/);
    assert.match(mark, /check it yourself/);
  }
});
