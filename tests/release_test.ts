/** The release workflow names what there is: tasks, the version of Deno, the tag. */
import assert from "node:assert/strict";
import { VERSION } from "../lib/version.ts";
import { Home, ROOT } from "./rig.ts";

const FLOW = Deno.readTextFileSync(`${ROOT}/.github/workflows/release.yml`);

Deno.test("its tasks are those of deno.json", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`));
  const named = [...FLOW.matchAll(/\bdeno task (\S+)/g)].map(([, name]) => name!);
  assert.deepEqual([...new Set(named)].sort(), ["compile", "npm", "ok"]);
  for (const name of named) assert.ok(Object.hasOwn(tasks, name), name);
});

Deno.test("its Deno is the one of the README", () => {
  const [, version] = /npx -y deno@(\S+)/.exec(Deno.readTextFileSync(`${ROOT}/README.md`))!;
  const named = [...FLOW.matchAll(/deno-version: ([\d.]+)/g)].map(([, one]) => one);
  assert.deepEqual([...new Set(named)], [version]);
});

Deno.test("each system has a binary of its own", () => {
  const rows = [...FLOW.matchAll(/- \{ on: (\S+), name: countersign-(\S+) \}/g)].map(([, on, name]) => [on, name]);
  assert.deepEqual(rows.map(([, name]) => name), ["linux-x64", "linux-arm64", "macos-x64", "macos-arm64"]);
  assert.equal(new Set(rows.map(([on]) => on)).size, rows.length);
});

/** [the tag, does it go on?] */
const TAGS: [string, boolean][] = [[`v${VERSION}`, true], [`v${VERSION}1`, false], ["v", false]];
for (const [tag, good] of TAGS) {
  Deno.test(`a tag ${tag} ${good ? "goes on" : "stops"}`, async () => {
    using home = new Home();
    const [, line] = /- run: (test .*)/.exec(FLOW)!;
    const inRoot = `cd "${ROOT}" && ${line}`;
    assert.equal((await home.run(["/bin/sh", "-c", inRoot], "", { GITHUB_REF_NAME: tag })).code, good ? 0 : 1);
  });
}

Deno.test("the checksums are of the binaries, and hold", async () => {
  using home = new Home();
  home.write("binaries/countersign-linux-x64", "one");
  home.write("binaries/countersign-macos-arm64", "two");
  const [, line] = /- run: (cd binaries .*)/.exec(FLOW)!;
  assert.deepEqual(await home.run(["/bin/sh", "-c", line!]), { code: 0, stdout: "", stderr: "" });
  const held = await home.run(["/bin/sh", "-c", "cd binaries && sha256sum -c SHA256SUMS"]);
  assert.deepEqual([held.code, held.stdout.trim().split("\n").length], [0, 2]);
});
