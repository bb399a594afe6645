import assert from "node:assert/strict";
import { core, read } from "./coverage.ts";

const REPORT = `SF:/tree/lib/a.ts
FN:1,used
FN:7,idle
FNDA:5,used
FNDA:0,idle
FNF:2
FNH:1
BRDA:2,1,0,5
BRDA:2,1,1,0
BRDA:4,2,0,-
BRDA:5,3,0,1
BRF:4
BRH:2
DA:1,5
end_of_record
SF:/tree/lib/b.ts
end_of_record
`;

Deno.test("branches not taken and functions never called are counted", () => {
  assert.deepEqual(read(REPORT, "/tree"), [
    { file: "lib/a.ts", branches: 5, taken: 2, missed: [2, 4, 7] },
    { file: "lib/b.ts", branches: 0, taken: 0, missed: [] },
  ]);
});

Deno.test("the pure core consists of lib, outgoing and incoming with their subfolders", () => {
  const files = core();
  for (const file of files) assert.ok(Deno.statSync(new URL(`../${file}`, import.meta.url)).isFile, file);
  const some = [
    "lib/srs.ts",
    "lib/settings/parse.ts",
    "outgoing/plan.ts",
    "incoming/judge.ts",
    "incoming/checks/reply.ts",
  ];
  for (const file of some) assert.ok(files.includes(file), file);
  assert.ok(files.every((file) => /^(?:lib|outgoing|incoming)\//.test(file)));
});
