/** The direction of imports: each rule with what it lets through and what it stops. */
import assert from "node:assert/strict";
import plugin from "./direction.ts";

const ROOT = new URL("../../", import.meta.url);

/** The rules that complain about this source, as it would stand in this file. */
function complaints(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, file, source).map((found) => found.id);
}

function good(file: string, ...sources: string[]) {
  for (const source of sources) {
    Deno.test(`lint lets ${file} write ${source}`, () => assert.deepEqual(complaints(file, source), []));
  }
}

function bad(rule: "direction" | "host", file: string, ...sources: string[]) {
  for (const source of sources) {
    Deno.test(`lint stops ${file} from writing ${source}`, () => {
      assert.deepEqual(complaints(file, source), [`house/${rule}`]);
    });
  }
}

/** Every form of an import. */
function forms(specifier: string): string[] {
  return [
    `import { a } from "${specifier}";`,
    `import type { A } from "${specifier}";`,
    `import "${specifier}";`,
    `import * as a from "${specifier}";`,
    `export * from "${specifier}";`,
    `export * as a from "${specifier}";`,
    `export { a } from "${specifier}";`,
    `export type { A } from "${specifier}";`,
    `const a = await import("${specifier}");`,
    `const a = () => import(\`${specifier}\`);`,
    `type A = import("${specifier}").A;`,
    `type A = typeof import("${specifier}");`,
    `function a(b: import("${specifier}").B): void {}`,
  ];
}

const all = ["lib", "transport", "shim", "hooks", "smtp", "admin"];
const may: Record<string, string[]> = {
  lib: ["lib"],
  transport: ["lib", "transport"],
  shim: ["lib", "transport", "shim"],
  hooks: ["lib", "transport", "hooks"],
  smtp: ["lib", "transport", "smtp"],
  admin: ["lib", "transport", "admin"],
};
for (const from of all) {
  for (const to of [...all, "contrib", "tests", "bench"]) {
    const source = `import { a } from "../${to}/b.ts";`;
    if (may[from]!.includes(to)) good(`${from}/a.ts`, source);
    else bad("direction", `${from}/a.ts`, source);
  }
  good(`${from}/a.ts`, `import { a } from "./b.ts";`, `import { parse } from "smol-toml";`, `import "npm:x@1.2.3";`);
  bad("direction", `${from}/a.ts`, `import { a } from "../main.ts";`, `import { a } from "../mod.ts";`);
  for (const free of ["main.ts", "contrib/a.ts", "tests/a_test.ts", "bench/a.ts"]) {
    good(free, `import { a } from "${free.includes("/") ? ".." : "."}/${from}/b.ts";`);
  }
}

// Forms, and spellings of the way.
good("shim/a.ts", ...forms("../lib/b.ts"));
bad("direction", "shim/a.ts", ...forms("../hooks/b.ts"));
bad("direction", "hooks/a.ts", ...forms("../shim/b.ts"));
bad("direction", "lib/deep/a.ts", `import "../../shim/b.ts";`, `import "./../../hooks/b.ts";`);
good("lib/deep/a.ts", `import "../b.ts";`);
bad("direction", "lib/a.ts", `import "../../elsewhere/b.ts";`, `import "/lib/b.ts";`, `import "file:///lib/b.ts";`);
bad("direction", "lib/a.ts", `import "${new URL("shim/main.ts", ROOT)}";`);
good("lib/a.ts", `import "${new URL("lib/srs.ts", ROOT)}";`);
bad("direction", "lib/a.ts", `await import(name);`, `await import("./" + name);`, "await import(`./${name}.ts`);");
good("tests/a.ts", `await import(name);`, `import a = require("./a.ts");`);
bad("direction", "lib/a.ts", `import a = require("./b.ts");`);

// Packages: only those that deno.json names.
good("lib/a.ts", `import "smol-toml/x";`, `const { default: P } = await import("postal-mime");`);
bad(
  "direction",
  "lib/a.ts",
  `import "smol-tomlet";`,
  `import "node:fs";`,
  `import "jsr:@std/path";`,
  `import "data:,";`,
);
bad("direction", "shim/a.ts", `import "node:child_process";`, `export * from "https://example.org/x.ts";`);
good("tests/a_test.ts", `import assert from "node:assert/strict";`);

// The front of the library is a part of it.
good("mod.ts", `export { a } from "./lib/a.ts";`);
bad("direction", "mod.ts", `export { a } from "./shim/a.ts";`, `export { a } from "./main.ts";`);

// The Deno global.
bad(
  "host",
  "lib/a.ts",
  `Deno.uid();`,
  `export const now = () => Deno.env.get("NOW");`,
  `const deno = Deno;`,
  `const { env } = Deno;`,
  `(Deno as unknown as { env: unknown }).env;`,
  `Deno!.env;`,
  `if (typeof Deno === "undefined") throw 1;`,
  `globalThis.Deno.uid();`,
  `globalThis["Deno"].uid();`,
  `const { Deno: host } = globalThis;`,
  `if (error instanceof Deno.errors.NotFound) throw error;`,
);
good(
  "lib/a.ts",
  `type File = Deno.FsFile;`,
  `let a: typeof Deno.env;`,
  `export const text = "Deno";`,
  `let denoX = 1;`,
);
for (
  const free of ["io/system/host.ts", "shim/main.ts", "io/transport/maildir.ts", "hooks/act.ts", "main.ts", "mod.ts"]
) {
  good(free, `Deno.uid();`);
}
bad("host", "lib/deep/host.ts", `Deno.uid();`);

Deno.test("lint knows a file by its absolute path too", () => {
  const here = new URL("lib/a.ts", ROOT).pathname;
  assert.deepEqual(complaints(here, `import "../shim/main.ts"; Deno.uid();`), ["house/direction", "house/host"]);
});

Deno.test("deno.json runs the plugin over everything", () => {
  const { lint } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  assert.deepEqual(lint.plugins, ["./tests/lint/direction.ts"]);
  assert.deepEqual(lint.exclude, ["dist"]);
});
