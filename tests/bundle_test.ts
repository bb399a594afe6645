/**
 * The minifier replaces a variable that is used once by its value. With `using` that drops the disposal: a daemon then
 * loses a file descriptor each time. So every `using` must still be in the bundle; where it is not, use try and
 * finally.
 */
import assert from "node:assert/strict";
import { ROOT, TempFolder } from "./rig.ts";

/** Bundles a program. @returns the number of `using` declarations */
async function declarations(entry: string, outdir: string, ...options: string[]): Promise<number> {
  const args = ["bundle", "-q", ...options, "--platform=deno", "--code-splitting", `--outdir=${outdir}`, entry];
  const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stderr: "inherit" }).output();
  assert.ok(success);
  const scripts = [...Deno.readDirSync(outdir)].filter(({ name }) => name.endsWith(".js"));
  return scripts.map(({ name }) => Deno.readTextFileSync(`${outdir}/${name}`).match(/\busing [\w$]+ ?=/g)?.length ?? 0)
    .reduce((sum, one) => sum + one, 0);
}

for (const entry of ["main.ts", "shim/main.ts", "hooks/incoming.ts", "submit/ofmipd.ts", "submit/verify.ts"]) {
  Deno.test(`every \`using\` of ${entry} is in the minified bundle`, async () => {
    using temp = new TempFolder();
    const all = await declarations(entry, `${temp.path}/all`);
    const minified = await declarations(entry, `${temp.path}/minified`, "--minify");
    assert.ok(all > 0);
    assert.equal(minified, all);
  });
}
