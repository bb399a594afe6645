/** The architecture: each rule of the plugin with what it allows and what it reports. */
import assert from "node:assert/strict";
import plugin from "./direction.ts";

const ROOT = new URL("../../", import.meta.url);

/** The rules that complain about this source, as a part of this file. */
function complaints(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, file, source).map((found) => found.id);
}

function good(file: string, ...sources: string[]) {
  for (const source of sources) {
    Deno.test(`lint lets ${file} write ${source}`, () => assert.deepEqual(complaints(file, source), []));
  }
}

function bad(rule: "direction" | "cycle" | "pure", file: string, ...sources: string[]) {
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

const may: Record<string, string[]> = {
  lib: ["lib"],
  outgoing: ["lib", "outgoing"],
  incoming: ["lib", "incoming"],
  io: ["lib", "outgoing", "incoming", "io"],
  shim: ["lib", "outgoing", "incoming", "io", "shim"],
  hooks: ["lib", "outgoing", "incoming", "io", "hooks"],
  serve: ["lib", "outgoing", "incoming", "io", "serve"],
  submit: ["lib", "outgoing", "incoming", "io", "submit"],
  admin: ["lib", "outgoing", "incoming", "io", "shim", "hooks", "serve", "submit", "admin"],
};
const all = Object.keys(may);
for (const from of all) {
  for (const to of [...all, "build", "contrib", "tests", "bench"]) {
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

// Pure code: the Deno global.
bad(
  "pure",
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
// Pure code: clocks and randomness.
for (const folder of ["lib", "lib/settings", "outgoing", "incoming", "incoming/checks"]) {
  bad(
    "pure",
    `${folder}/a.ts`,
    `const now = new Date();`,
    `const now = Date.now();`,
    `performance.now();`,
    `setTimeout(() => {}, 1);`,
    `crypto.getRandomValues(new Uint8Array(1));`,
    `crypto["randomUUID"]();`,
    `Math.random();`,
  );
  good(
    `${folder}/a.ts`,
    `const day = new Date(0);`,
    `const day = new Date(text);`,
    `Math.floor(1.5);`,
    `const a: Date = b;`,
  );
}
good(
  "lib/a.ts",
  `type File = Deno.FsFile;`,
  `let a: typeof Deno.env;`,
  `export const text = "Deno";`,
  `let denoX = 1;`,
);
for (const free of ["io/system/a.ts", "shim/main.ts", "io/transport/a.ts", "hooks/act.ts", "main.ts", "mod.ts"]) {
  good(free, `Deno.uid();`, `new Date();`);
}

// Cycles, by modules that exist.
good("lib/fail.ts", `import { a } from "./nearest.ts";`);
bad("cycle", "lib/fail.ts", `import { a } from "./address.ts";`, `import type { A } from "./address.ts";`);
bad("cycle", "lib/fail.ts", `export * from "./srs.ts";`, `const a = import("./srs.ts");`, `import "./fail.ts";`);
bad("cycle", "main.ts", `import "./main.ts";`);

Deno.test("lint names the way round of a cycle", () => {
  const [found] = Deno.lint.runPlugin(plugin, "lib/fail.ts", `import "./srs.ts";`);
  assert.equal(found!.message, "Imports form a cycle: lib/fail.ts > lib/srs.ts > lib/fail.ts");
});

Deno.test("lint limits the columns of comments, and the lines of files whose first comment does not say why", () => {
  const long = "const a = 1;\n".repeat(301);
  const wide = `// ${"x".repeat(118)}`;
  assert.deepEqual(complaints("lib/a.ts", wide), ["house/size"]);
  assert.deepEqual(complaints("tests/a_test.ts", `/**\n * ${"x".repeat(118)}\n */`), ["house/size"]);
  assert.deepEqual(complaints("lib/a.ts", `${wide.slice(1)};`.replace("/ ", "a = ")), []);
  assert.deepEqual(complaints("lib/a.ts", wide.slice(0, 120)), []);
  assert.deepEqual(complaints("lib/a.ts", long), ["house/size"]);
  assert.deepEqual(complaints("lib/a.ts", long.slice(13)), []);
  assert.deepEqual(complaints("lib/a.ts", `/** One table, and therefore longer than other files. */\n${long}`), []);
  assert.deepEqual(complaints("lib/a.ts", `/** Files. */\n/** It is longer than other files. */\n${long}`), [
    "house/size",
  ]);
  assert.deepEqual(complaints("tests/a_test.ts", long), []);
});

Deno.test("every folder that lint knows exists, and every folder with code is known", () => {
  const folders = [...Deno.readDirSync(ROOT)].filter((one) => one.isDirectory).map(({ name }) => name);
  const free = ["bench", "build", "contrib", "docs", "tests"];
  const code = folders.filter((name) => !name.startsWith(".") && name !== "dist" && !free.includes(name));
  assert.deepEqual(code.sort(), all.sort());
});

Deno.test("lint knows a file by its absolute path too", () => {
  const here = new URL("lib/a.ts", ROOT).pathname;
  assert.deepEqual(complaints(here, `import "../shim/main.ts"; Deno.uid();`), ["house/direction", "house/pure"]);
});

Deno.test("deno.json runs the plugin over everything", () => {
  const { lint } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  assert.deepEqual(lint.plugins, ["./tests/lint/direction.ts"]);
  assert.deepEqual(lint.exclude, ["dist"]);
});
