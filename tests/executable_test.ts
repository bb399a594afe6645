/** Programs that tests write can be run at once, whatever other tests start meanwhile. */
import assert from "node:assert/strict";
import { Home } from "./rig.ts";

Deno.test("a program can be run as soon as it is written, while others are started", () => {
  const source = `for (;;) new Deno.Command("/bin/true", { cwd: "/tmp" }).outputSync();`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const others = Array.from({ length: 3 }, () => new Worker(url, { type: "module" }));
  using home = new Home();
  try {
    for (let number = 0; number < 300; number++) {
      const path = home.write(`bin/number${number}`, "#!/bin/sh\nexit 0\n", 0o755);
      assert.ok(new Deno.Command(path).outputSync().success);
    }
  } finally {
    for (const one of others) one.terminate();
    URL.revokeObjectURL(url);
  }
});
