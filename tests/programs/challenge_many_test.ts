/** Two hundred hooks at once on one challenge: one of them answers. */
import assert from "node:assert/strict";
import { bundle } from "../../build/install/bundle.ts";
import { fieldOf } from "../rig.ts";
import { Member, PLAIN } from "./member.ts";

const HOOKS = 200;
/** So many live at a time; each has its own place in the queue of the processor. */
const AT_ONCE = 8;

/** What build/install starts, without the shell in front. */
const FLAGS = "run -q --no-prompt --no-config --no-lock --no-npm --no-remote --cached-only -A".split(" ");

Deno.test("two hundred hooks at once on one challenge: one answer", async () => {
  using home = new Member();
  const [challenge] = await home.post("A patch");
  await bundle(`${home.path}/made`);
  const message = new TextEncoder().encode(challenge!.mail);

  /** Starts a hook that has read all but the end. @returns ends it */
  const start = (nth: number): () => Promise<{ code: number; said: string }> => {
    const child = new Deno.Command(Deno.execPath(), {
      args: [...FLAGS, `${home.path}/made/hooks/incoming.js`, "incoming", "--maildir", "Maildir"],
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
      return { code, said: new TextDecoder().decode(stderr) };
    };
  };
  const codes: number[] = [];
  while (codes.length < HOOKS) {
    const ends = Array.from({ length: Math.min(AT_ONCE, HOOKS - codes.length) }, (_, i) => start(codes.length + i));
    for (const { code, said } of await Promise.all(ends.map((end) => end()))) {
      assert.equal(said, "");
      codes.push(code);
    }
  }
  // In this form both "answered" and "delivered" end with 99.
  assert.deepEqual(codes, Array(HOOKS).fill(99));

  const { left } = home.carry();
  assert.deepEqual(left.map(({ argv }) => argv.slice(2)), [[PLAIN, "--", challenge!.confirm]]);
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
