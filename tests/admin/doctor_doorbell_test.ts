/** doctor: the services of doorbells. */
import assert from "node:assert/strict";
import { ANN, filesIn, program, reply, replyTo, request, ring, serviceHome, SVC } from "../doorbell/home.ts";
import type { Home } from "../rig.ts";
import { countersign } from "./run.ts";

const CONFIG = ".config/countersign/config.toml";

/** The ids of the findings about doorbells, and the output. */
async function found(home: Home): Promise<{ ids: string[]; stdout: string }> {
  const { stdout } = await countersign(home, ["doctor"]);
  return { ids: [...stdout.matchAll(/\[(doorbell-[a-z]+)\]$/gm)].map(([, id]) => id!), stdout };
}

Deno.test("doctor finds nothing wrong with a service that works", async () => {
  using home = serviceHome();
  assert.deepEqual((await found(home)).ids, []);
});

Deno.test("doctor reports keys, terms and a personal address, with their lines", async () => {
  using home = serviceHome('terms = "terms"\nlanguage = "de"');
  home.write(".config/countersign/terms/en", "Terms.\n");
  Deno.removeSync(`${home.path}/.config/countersign/doorbell-keys`);
  home.write(CONFIG, home.read(CONFIG).replace(SVC, "greg@example.org"));
  const { ids, stdout } = await found(home);
  assert.deepEqual(ids, ["doorbell-personal", "doorbell-keys", "doorbell-terms"]);
  assert.match(stdout, /fix {4}countersign keys new --doorbell svc$/m);
  const line = home.read(CONFIG).split("\n").findLastIndex((one) => one.startsWith("address = ")) + 1;
  assert.match(stdout, new RegExp(`where {2}.*config\\.toml:${line}$`, "m"));
});

Deno.test("doctor reports messages whose program was killed, until they are released or deleted", async () => {
  using home = serviceHome();
  await ring(home, ANN, SVC, request());
  const to = replyTo(home.mails("out")[0]!);
  program(home, "kill -KILL $$");
  await ring(home, ANN, to, reply(to));
  const { ids, stdout } = await found(home);
  assert.deepEqual(ids, ["doorbell-interrupted"]);
  assert.match(stdout, /^The program of 1 confirmed message was killed \[/m);
  const [id] = filesIn(home, "kept");
  assert.equal((await countersign(home, ["doorbell", "delete", id!])).code, 0);
  assert.deepEqual((await found(home)).ids, []);
});
