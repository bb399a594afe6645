import assert from "node:assert/strict";
import { Home, ROOT } from "../../rig.ts";

/** Reads the settings as every program does, after it has opened files until no more can be opened. */
const EXHAUSTED = `
import { readPrivateFile } from "${ROOT}/io/system/files.ts";
import { sysexit } from "${ROOT}/lib/sysexits.ts";
const open = [];
try {
  for (;;) open.push(Deno.openSync("/dev/null"));
} catch {
  // Too many open files.
}
try {
  readPrivateFile("Settings file", Deno.args[0], 0o022);
} catch (error) {
  open.forEach((one) => one.close());
  console.log(error.message);
  Deno.exit(sysexit(error));
}
`;

Deno.test("a file that cannot be read for lack of file descriptors is a temporary error", async () => {
  using home = new Home();
  const script = home.write("exhausted.ts", EXHAUSTED);
  const limited = 'ulimit -n 100; exec "$@"';
  const { code, stdout } = await home.run(
    ["/bin/sh", "-c", limited, "sh", Deno.execPath(), "run", "-q", "-A", "--no-check", "--config", `${ROOT}/deno.json`]
      .concat(script, `${home.path}/.config/countersign/config.toml`),
  );
  assert.match(stdout, /^Settings file cannot be read: Too many open files/);
  assert.equal(code, 75);
});

Deno.test("a settings file in a place that is a file, and a loop of links, are errors of the settings", async () => {
  using home = new Home();
  home.write("file", "");
  Deno.symlinkSync("loop", `${home.path}/loop`);
  for (const path of ["file/config.toml", "loop"]) {
    const { code } = await home.run([`${ROOT}/shim/shim`, "ann@example.net"], "From: greg@example.org\n\nHi.\n", {
      COUNTERSIGN_CONFIG: `${home.path}/${path}`,
    });
    assert.equal(code, 78, path);
  }
});
