/** How many connections a server may have with its limit of open files. */
import assert from "node:assert/strict";
import { BACKLOG, placesFor } from "../../../io/system/descriptors.ts";

Deno.test("connections are limited so that file descriptors suffice", async (t) => {
  const rows: [files: string, wanted: number, sockets: number, reserved: number, each: number, needed?: number][] = [
    ["", 4000, 4, 5 * BACKLOG + 200, 4000],
    ["unlimited", 4000, 4, 5 * BACKLOG + 200, 4000],
    ["524288", 4000, 4, 5 * BACKLOG + 200, 4000],
    ["32768", 4000, 4, 5 * BACKLOG + 200, 4000], // LimitNOFILE= in contrib/systemd
    ["16384", 4000, 4, 5 * BACKLOG + 200, 3342],
    ["4096", 4000, 2, 2 * BACKLOG, 1408],
    ["1024", 4000, 4, 200, 142],
    ["1024", 4000, 2, 2 * BACKLOG, 32, 1344],
    ["10", 4000, 1, 0, 32, 288],
    ["10", 20, 1, 0, 20, 288],
    ["16384", 10_000, 1, 600 + 2 * BACKLOG, 10_000], // submitd
  ];
  for (const [files, wanted, sockets, reserved, each, needed] of rows) {
    await t.step(`${files || "unknown"}, ${wanted} on each of ${sockets}`, () => {
      const problem = `The limit of open files is ${files}, but ${needed} are needed: ` +
        "raise it (LimitNOFILE=, ulimit -n)";
      assert.deepEqual(
        placesFor(wanted, sockets, reserved, files),
        needed === undefined ? { each } : { each, problem },
      );
    });
  }
});
