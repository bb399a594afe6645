/** Makes the npm package: the library as one module of JavaScript with its types, and the command line on Deno. */
import { reason } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { bundle, ROOT } from "./bundle.ts";
import { FLAGS, flagsOf, launcherText } from "./launcher.ts";

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
  Deno.copyFileSync(`${ROOT}hooks/mboxlock`, `${folder}/cli/hooks/mboxlock`);
  Deno.mkdirSync(`${folder}/bin`);
  for (const one of COMMANDS) {
    Deno.writeTextFileSync(`${folder}/bin/${one.name}`, launcher(one));
    Deno.chmodSync(`${folder}/bin/${one.name}`, 0o755);
  }
  Deno.writeTextFileSync(`${folder}/package.json`, `${JSON.stringify(manifest(), null, 2)}\n`);
  for (const name of ["README.md", "LICENSE", "CHANGELOG.md"]) Deno.copyFileSync(`${ROOT}${name}`, `${folder}/${name}`);
}

/** The commands of the package, with their rights and modules. */
const COMMANDS = [
  { name: "countersign", rights: "", entry: "main.js" },
  { name: "countersign-shim", rights: "shim", entry: "shim/main.js" }, // a `shim` on PATH could be another program
];

/**
 * The binary of Deno, which npm installs in one of these folders; the package `deno` itself is a script that starts it.
 */
const DENOS = ['"$here"/../node_modules/@deno/*/deno', '"$here"/../../../@deno/*/deno'];

/** Returns the launcher of a command. */
function launcher({ name, rights, entry }: typeof COMMANDS[number]): string {
  const flags = rights === "" ? FLAGS : `${flagsOf(rights)} ${FLAGS}`;
  const start = { program: name, rights, deno: "deno", denos: DENOS, entry: `$here/../cli/${entry}`, flags, cache: "" };
  return launcherText({ ...start, missing: "install the npm package deno" });
}

/** The manifest, from deno.json where it says so. */
function manifest(): Record<string, unknown> {
  const { name, version, license } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  return {
    ...{ name, version, license, type: "module", sideEffects: false },
    description: "SRS and BATV prvs addresses, bit-compatible with Mail::SRS, Exim and batv-tools, and the msgauth tag",
    exports: { ".": { types: "./types/mod.d.ts", default: "./mod.js" } },
    bin: Object.fromEntries(COMMANDS.map(({ name }) => [name, `./bin/${name}`])),
    dependencies: { deno: Deno.version.deno },
    files: ["mod.js", "types", "cli", "bin"],
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
