/** Makes the npm package of the library: one module of JavaScript, and its types. */
import { reason } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { ROOT } from "./bundle.ts";

/** Deno has no way to write declarations; only a release needs it, so it is nobody's dependency. */
export const TYPESCRIPT = "npm:typescript@6.0.3/tsc";
// `deno check` has checked the types, and only Deno finds the npm packages that the library imports.
const TSC = ["--declaration", "--emitDeclarationOnly", "--allowImportingTsExtensions", "--skipLibCheck", "--noCheck"];
const TARGET = ["--target", "esnext", "--module", "esnext", "--moduleResolution", "bundler", "--lib", "esnext,dom"];

/** Makes it in `folder`, which is emptied first. @throws {Error} with what Deno or tsc said */
export async function makePackage(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  Deno.mkdirSync(folder, { recursive: true });
  await deno("bundle", "-q", "--platform=browser", "-o", `${folder}/mod.js`, "mod.ts");
  const tsc = ["run", "-q", "-A", "--no-lock", "--no-config", TYPESCRIPT];
  await deno(...tsc, "mod.ts", "--outDir", `${folder}/types`, ...TSC, ...TARGET);
  for (const path of declarations(`${folder}/types`)) {
    // Node's resolution knows the names that JavaScript has.
    Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace(/(from "\.[^"]*)\.ts"/g, '$1.js"'));
  }
  Deno.writeTextFileSync(`${folder}/package.json`, `${JSON.stringify(manifest(), null, 2)}\n`);
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) Deno.copyFileSync(`${ROOT}${name}`, `${folder}/${name}`);
}

/** What npm wants to know, from deno.json where it is there. */
function manifest(): Record<string, unknown> {
  const { name, version, license } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  return {
    ...{ name, version, license, type: "module", sideEffects: false },
    description: "SRS and BATV prvs addresses, bit-compatible with Mail::SRS, Exim and batv-tools, and the msgauth tag",
    exports: { ".": { types: "./types/mod.d.ts", default: "./mod.js" } },
    files: ["mod.js", "types"],
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
  const said = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  if (!success) throw new Error(`deno ${args[0]} failed: ${said}`);
}

if (import.meta.main) {
  try {
    await makePackage(`${ROOT}dist/npm`);
  } catch (error) {
    printError("npm", reason(error));
    Deno.exit(1);
  }
}
