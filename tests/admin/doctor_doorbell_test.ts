/** doctor: the services of doorbells. */
import assert from "node:assert/strict";
import { ANN, filesIn, program, reply, replyTo, request, ring, serviceHome, SVC } from "../doorbell/home.ts";
import { type Home, ROOT } from "../rig.ts";
import type { DoctorContext } from "../../admin/doctor/context.ts";
import { checkDoorbellCalls } from "../../admin/doctor/doorbell_calls.ts";
import type { Finding } from "../../admin/doctor/finding.ts";
import { programsOf } from "../../admin/doctor/programs.ts";
import { parseConfig } from "../../lib/settings/parse.ts";
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

Deno.test({
  name: "doctor of root: keys of the site's user are theirs, those of others are not",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    using home = serviceHome();
    const state = `${home.path}/.local/state/countersign`;
    Deno.mkdirSync(state, { recursive: true, mode: 0o700 });
    for (const [owner, ids] of [[65_534, []], [65_533, ["doorbell-keys"]]] as const) {
      Deno.chownSync(state, 65_534, 65_534);
      Deno.chownSync(`${home.path}/.config/countersign/doorbell-keys`, owner, owner);
      assert.deepEqual((await found(home)).ids, ids);
    }
  },
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

Deno.test("doctor reports messages whose program was killed, and damaged ones, until they are released or deleted", async () => {
  using home = serviceHome();
  await ring(home, ANN, SVC, request());
  const to = replyTo(home.mails("out")[0]!);
  program(home, "kill -KILL $$");
  await ring(home, ANN, to, reply(to));
  const { ids, stdout } = await found(home);
  assert.deepEqual(ids, ["doorbell-interrupted"]);
  assert.match(stdout, /^The program of 1 confirmed message was killed \[/m);
  home.write(".local/state/countersign/doorbell/svc/kept/aaaaaaaaaaaa", "damaged\n");
  assert.deepEqual((await found(home)).ids, ["doorbell-interrupted", "doorbell-unreadable"]);
  assert.equal((await countersign(home, ["doorbell", "delete", "aaaaaaaaaaaa"])).code, 0);
  const [id] = filesIn(home, "kept");
  assert.equal((await countersign(home, ["doorbell", "delete", id!])).code, 0);
  assert.deepEqual((await found(home)).ids, []);
});

/** The line of contrib/doorbell, with a program that exists. */
const line = (home: Home, more = "--service svc", run = `${home.path}/subscribe`) =>
  `# Requests.\n|${ROOT}/hooks/doorbell ${more} -- ${run}\n`;

/** [what, the files, the findings] */
const CALLS: [string, (home: Home) => Record<string, string>, string[]][] = [
  ["both files", (home) => ({ "svc": line(home), "svc-confirm-default": line(home) }), []],
  ["one default for both", (home) => ({ "svc-default": line(home), "svc": line(home) }), []],
  ["confirmations go to another file", (home) => ({ "svc": line(home), "default": "./Maildir/\n" }), [
    "doorbell-confirmations",
  ]],
  ["only the requests", (home) => ({ "svc": line(home, "") }), ["doorbell-confirmations"]],
  ["only the confirmations", (home) => ({ "svc-confirm-default": line(home) }), ["doorbell-requests"]],
  ["different programs", (home) => ({ "svc": line(home), "svc-confirm-default": line(home, "", "/bin/true") }), [
    "doorbell-programs",
  ]],
  ["another service", (home) => ({ "svc": line(home, "--service=list") }), ["doorbell-service"]],
  ["a program that is missing", (home) => {
    const text = line(home, "", `${home.path}/nothing`);
    return { "svc": text, "svc-confirm-default": text };
  }, ["doorbell-program", "doorbell-program"]],
  ["a hook that is missing", (home) => {
    const text = line(home).replace(ROOT, home.path);
    return { "svc": text, "svc-confirm-default": text };
  }, ["doorbell-program", "doorbell-program"]],
];
Deno.test("doctor finds out whether requests and confirmations reach the doorbell under qmail", async (t) => {
  for (const [what, files, ids] of CALLS) {
    await t.step(what, () => {
      using home = serviceHome();
      for (const [name, text] of Object.entries(files(home))) home.write(`.qmail-${name}`, text);
      assert.deepEqual(checked(home).findings.map(({ id }) => id), ids);
    });
  }
});

Deno.test("doctor notes a service that nothing calls, also in procmail and maildrop", () => {
  using home = serviceHome();
  const note = "No mail filter found here calls the doorbell for service svc; see contrib/doorbell";
  assert.deepEqual(checked(home), { findings: [], notes: [note] });
  const text = `D=\`${ROOT}/hooks/doorbell --as maildrop --service svc -- /bin/true\`\n`;
  home.write(".mailfilter", text);
  assert.deepEqual(checked(home), { findings: [], notes: [] });
  home.write(".mailfilter", text.replace("/bin/true", "/bin/nothing"));
  assert.deepEqual(checked(home).findings.map(({ id, where }) => [id, where.line]), [["doorbell-program", 1]]);
  Deno.removeSync(`${home.path}/.mailfilter`);
  home.write(".procmailrc", `X=\`${ROOT}/hooks/doorbell --as procmail --service "$JA_COOKIE_SERVICE"\`\n`);
  assert.deepEqual(checked(home), { findings: [], notes: [] });
});

Deno.test("doctor reports a folder with held messages that others can read", () => {
  using home = serviceHome();
  home.write(".qmail-svc", line(home));
  home.write(".qmail-svc-confirm-default", line(home));
  const folder = `${home.path}/.local/state/countersign/doorbell/svc`;
  Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
  assert.deepEqual(checked(home).findings, []);
  Deno.chmodSync(folder, 0o755);
  assert.deepEqual(checked(home).findings.map(({ id, where }) => [id, where.file]), [["doorbell-folder", folder]]);
});

/** What the check of the calls finds. */
function checked(home: Home) {
  const source = { file: `${home.path}/${CONFIG}`, home: home.path };
  const settings = parseConfig(home.read(CONFIG), source);
  const found = { findings: [] as Finding[], notes: [] as string[] };
  checkDoorbellCalls(
    { home: home.path, programs: programsOf(home.path), ...found } as unknown as DoctorContext,
    settings,
  );
  return found;
}
