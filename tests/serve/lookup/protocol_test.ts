/** contrib/lookup/README.md agrees with the parser. */
import assert from "node:assert/strict";
import { LOOKUP_VERSION } from "../../../io/state/shared/ask.ts";
import { MAX_HASHES, MAX_NAMES, MAX_TEXT_BYTES } from "../../../io/state/shared/store.ts";
import { PREFIX_BYTES } from "../../../io/system/input.ts";
import { LOOKUP_LIMITS, MAX_LOOKUPS } from "../../../serve/lookup/conversation.ts";
import { MAX_LINE_BYTES, parseRequest } from "../../../serve/lookup/requests.ts";
import { ROOT } from "../../rig.ts";

const PAGE = Deno.readTextFileSync(`${ROOT}/contrib/lookup/README.md`);
const examples = PAGE.split("\n").filter((line) => line.startsWith("{"));

Deno.test("the example requests are parsed, and the example answers have the version", () => {
  const requests = examples.filter((line) => line.includes('"request"'));
  assert.equal(requests.length, 2);
  for (const line of requests) assert.equal(parseRequest(line).request.request, "judge", line);
  for (const line of examples) assert.equal(JSON.parse(line).version, LOOKUP_VERSION, line);
});

Deno.test("every request of the table is parsed with its values", () => {
  const [a, name] = ["a".repeat(32), `${"a".repeat(32)}-${"b".repeat(32)}`];
  const values: Record<string, object> = {
    sent: { names: [a] },
    remember: { name: a, day: 20_777, signed: true },
    entries: { messages: [a] },
    issue: { names: [name], expires: 20_777, length: 5 },
    claim: { name },
    settle: { claim: "x", state: "spent" },
    forget: { time: 1_795_771_978_000 },
    forgotten: {},
    status: {},
  };
  const rows = [...PAGE.matchAll(/^\| `(\w+)` +\| ([^|]*)\|/gm)];
  assert.deepEqual(rows.map(([, request]) => request), Object.keys(values));
  for (const [, request, named] of rows) {
    const given = Object.keys(values[request!]!).filter((one) => one !== "length");
    for (const one of given) assert.ok(named!.includes(`\`${one}\``), `${request}: ${one}`);
    const parsed = parseRequest(JSON.stringify({ version: LOOKUP_VERSION, request, ...values[request!] }));
    assert.equal(parsed.request.request, request);
  }
});

Deno.test("the documented limits are those of the program", () => {
  for (const limit of [MAX_HASHES, MAX_TEXT_BYTES, PREFIX_BYTES, MAX_LINE_BYTES, MAX_LOOKUPS]) {
    assert.ok(PAGE.includes(` ${limit}`), String(limit));
  }
  assert.equal(LOOKUP_LIMITS.request, 10_000);
  assert.equal(LOOKUP_LIMITS.idle, 60_000);
  assert.ok(MAX_NAMES * 40 < MAX_LINE_BYTES);
});
