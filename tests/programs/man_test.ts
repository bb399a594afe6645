/** The manual pages are well formed, and say what is easily forgotten. */
import assert from "node:assert/strict";
import { CALLERS } from "../../hooks/delivery.ts";
import { ROOT } from "../rig.ts";
import { need } from "./need.ts";

const test = await need("mandoc");
const PAGES = [...Deno.readDirSync(`${ROOT}/contrib/man`)].map((entry) => entry.name).sort();

test("manual pages pass mandoc -Tlint", async () => {
  assert.deepEqual(PAGES, ["incoming.8", "shim.1"]);
  for (const page of PAGES) {
    // References to pages of other packages are no fault of ours.
    const args = ["-T", "lint", "-W", "warning", `${ROOT}/contrib/man/${page}`];
    const { code, stdout } = await new Deno.Command("mandoc", { args }).output();
    assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, ""], page);
  }
});

Deno.test("the hook's page names every caller, and the contract that an answer enters", () => {
  const page = Deno.readTextFileSync(`${ROOT}/contrib/man/incoming.8`);
  for (const caller of CALLERS) assert.match(page, new RegExp(`^\\.Cm ${caller}\\b`, "m"));
  assert.match(page, /Each answer enters the user into the contract/);
});
