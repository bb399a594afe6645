/**
 * The ids of the findings: the type checker accepts only those that are documented, and all documented ones are used.
 */
import assert from "node:assert/strict";
import { FINDING_IDS } from "../../admin/doctor/ids.ts";
import { ROOT } from "../rig.ts";

const FOLDER = `${ROOT}/admin/doctor`;
const sources = [...Deno.readDirSync(FOLDER)].filter(({ name }) => name !== "ids.ts")
  .map(({ name }) => Deno.readTextFileSync(`${FOLDER}/${name}`)).join("\n");

Deno.test("each id is used by a check, and has a meaning and the form of a name", () => {
  const templates = [...sources.matchAll(/`\$\{\w+\}(-[a-z-]+)`/g)].map(([, end]) => end!);
  for (const [id, meaning] of Object.entries(FINDING_IDS)) {
    assert.ok(sources.includes(`"${id}"`) || templates.some((end) => id.endsWith(end)), `No check reports ${id}`);
    assert.match(id, /^[a-z]+(?:-[a-z0-9]+)+$/);
    assert.ok(meaning.length > 9 && !meaning.endsWith("."), id);
  }
});

Deno.test("the ids are listed in alphabetical order, so that they can be found", () => {
  assert.deepEqual(Object.keys(FINDING_IDS), Object.keys(FINDING_IDS).sort());
});
