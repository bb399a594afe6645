/** Makes the npm package: the library as one module of JavaScript with its types, and the command line on Deno. */
import { reason } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { bundle, ROOT } from "./bundle.ts";

/** Writes the type declarations, which Deno cannot. Only a release needs it, so it is not a dependency. */
export const TYPESCRIPT = "npm:typescript@6.0.3/tsc";
// `deno check` has checked the types, and only Deno finds the npm packages that the library imports.
const TSC = ["--declaration", "--emitDeclarationOnly", "--allowImportingTsExtensions", "--skipLibCheck", "--noCheck"];
const TARGET = ["--target", "esnext", "--module", "esnext", "--moduleResolution", "bundler", "--lib", "esnext,dom"];

/** Builds the package in `folder`, which is emptied first. @throws {Error} with the output of Deno or tsc */
export async function makePackage(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  Deno.mkdirSync(folder, { recursive: true });
  await deno("bundle", "-q", "--platform=browser", "-o", `${folder}/mod.js`, "mod.ts");
  const tsc = ["run", "-q", "-A", "--no-lock", "--no-config", TYPESCRIPT];
  await deno(...tsc, "mod.ts", "--outDir", `${folder}/types`, ...TSC, ...TARGET);
  for (const path of declarations(`${folder}/types`)) {
    // Node resolves names with the extension .js.
    Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace(/(from "\.[^"]*)\.ts"/g, '$1.js"'));
  }
  await bundle(`${folder}/cli`);
  Deno.writeTextFileSync(`${folder}/countersign.cjs`, BIN, { mode: 0o755 });
  Deno.writeTextFileSync(`${folder}/package.json`, `${JSON.stringify(manifest(), null, 2)}\n`);
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) Deno.copyFileSync(`${ROOT}${name}`, `${folder}/${name}`);
}

/** The `bin` of the package: the programs need Deno, which npm installs beside them. */
const BIN = `#!/usr/bin/env node
const { spawnSync } = require("node:child_process");
const { dirname, join } = require("node:path");
const deno = join(dirname(require.resolve("deno/package.json")), "bin.cjs");
const flags = ["run", "-q", "-A", "--no-config", "--no-lock", "--no-npm", "--no-remote"];
const args = [deno, ...flags, join(__dirname, "cli/main.js"), "countersign", ...process.argv.slice(2)];
const { status, signal, error } = spawnSync(process.execPath, args, { stdio: "inherit" });
if (error) throw error;
if (signal) process.kill(process.pid, signal);
process.exit(status ?? 1);
`;

/** The manifest, from deno.json where it says so. */
function manifest(): Record<string, unknown> {
  const { name, version, license } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  return {
    ...{ name, version, license, type: "module", sideEffects: false },
    description: "SRS and BATV prvs addresses, bit-compatible with Mail::SRS, Exim and batv-tools, and the msgauth tag",
    exports: { ".": { types: "./types/mod.d.ts", default: "./mod.js" } },
    bin: { countersign: "./countersign.cjs" },
    dependencies: { deno: Deno.version.deno },
    files: ["mod.js", "types", "cli", "countersign.cjs"],
    engines: { node: ">=20" },
  };
}

function declarations(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? declarations(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

async function deno(...args: string[]): Promise<void> {
  const options = { args, cwd: ROOT, env: { NO_COLOR: "1" }, stdin: "null" } as const;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), options).output();
  const output = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  if (!success) throw new Error(`deno ${args[0]} failed: ${output}`);
}

if (import.meta.main) {
  try {
    await makePackage(`${ROOT}dist/npm`);
  } catch (error) {
    printError("npm", reason(error));
    Deno.exit(1);
  }
}
