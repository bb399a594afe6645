/** What every finding of doctor must have. */
import assert from "node:assert/strict";
import type { Finding } from "../../admin/doctor/finding.ts";
import { FINDING_IDS } from "../../admin/doctor/ids.ts";

/** Asserts that a finding has a documented id, and says what is wrong, where, why, and how to fix it. */
export function assertComplete({ id, what, where, why, fix }: Finding): void {
  assert.ok(Object.hasOwn(FINDING_IDS, id), id);
  for (const [name, text] of Object.entries({ what, file: where.file, why, fix })) {
    assert.ok(text.trim().length > 1 && !text.includes("undefined"), `${name} of ${id}: ${text}`);
  }
  assert.ok(where.line === undefined || where.line > 0, `${id}: line ${where.line}`);
}
