/** Modules that programs load only if the settings require them. */
import assert from "node:assert/strict";
import { ROOT } from "../../../rig.ts";

/** A module in the output of `deno info --json`. */
interface Module {
  readonly specifier: string;
  readonly dependencies?: readonly { readonly code?: { readonly specifier: string }; readonly isDynamic?: boolean }[];
}

/** Returns the modules that are loaded with this one; with `late`, also those of `import()`. */
async function modulesOf(entry: string, late: boolean): Promise<string[]> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: ROOT,
  }).output();
  assert.ok(success);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] };
  const known = new Map(modules.map((one) => [one.specifier, one]));
  const loaded = new Set([new URL(`file://${ROOT}/${entry}`).href]);
  for (const module of loaded) { // grows while it is read
    for (const { code, isDynamic = false } of known.get(module)?.dependencies ?? []) {
      if (code !== undefined && (late || !isDynamic)) loaded.add(code.specifier);
    }
  }
  return [...loaded].map((href) => href.replace(`file://${ROOT}/`, ""));
}

Deno.test("shim and hook load the modules of a shared store on demand, and never the Redis client", async () => {
  for (const entry of ["shim/main.ts", "hooks/incoming.ts"]) {
    const first = await modulesOf(entry, false);
    assert.ok(first.includes("io/state/stores.ts"), entry);
    assert.deepEqual(first.filter((path) => path.startsWith("io/state/shared/")), []);
    const all = await modulesOf(entry, true);
    assert.ok(all.includes("io/state/shared/ask.ts"), entry);
    assert.deepEqual(all.filter((path) => /redis\.ts$|npm:.*redis/.test(path)), ["lib/settings/redis.ts"]);
  }
});

Deno.test("serve loads the Redis client on demand", async () => {
  const isRedis = (path: string) => /^io\/state\/shared\/redis\.ts$|^npm:.*redis/.test(path);
  assert.deepEqual((await modulesOf("serve/main.ts", false)).filter(isRedis), []);
  assert.equal((await modulesOf("serve/main.ts", true)).filter(isRedis).length, 2);
});
