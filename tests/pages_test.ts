/** All pages of documentation: their links lead somewhere, and the commands and options in them exist. */
import assert from "node:assert/strict";
import { COUNTERSIGN } from "./admin/run.ts";
import { Page } from "./page.ts";
import { Home, ROOT } from "./rig.ts";

/** The Markdown files below a folder, with their paths in the repository. */
function* pagesIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}/${folder}`)) {
    const path = folder === "" ? name : `${folder}/${name}`;
    if (isDirectory && folder !== "") yield* pagesIn(path);
    else if (name.endsWith(".md")) yield path;
  }
}

const PAGES = ["", "bench", "contrib", "docs"].flatMap((folder) => [...pagesIn(folder)]).map((name) => new Page(name));

Deno.test("every link of every page leads to a file or folder", () => {
  let count = 0;
  const broken = [];
  for (const { name, text } of PAGES) {
    for (const [, link] of text.matchAll(/\]\(\s*([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(link!)) continue;
      count++;
      try {
        Deno.statSync(new URL(link!, `file://${ROOT}/${name}`));
      } catch {
        broken.push(`${name}: ${link}`);
      }
    }
  }
  assert.deepEqual(broken, []);
  assert.ok(count > 200, `${count} links`);
});

Deno.test("every command of countersign in every page exists, and so does each of its options", async () => {
  using home = new Home();
  const wrong = [];
  const helps = new Map<string, string>();
  for (const { name, text } of PAGES) {
    // A backslash continues a line; a comment ends a command.
    const joined = text.replaceAll(/\\\n\s*/g, "");
    for (const [, command, rest] of joined.matchAll(/(?:^|[`\s/|])countersign ([a-z]+)((?: +[^\s`|#;&]+)*)/gm)) {
      const options = rest!.match(/(?<= )--[a-z][a-z-]*/g) ?? [];
      if (options.length === 0) continue;
      if (!helps.has(command!)) helps.set(command!, (await home.run([...COUNTERSIGN, command!, "--help"])).stdout);
      const help = helps.get(command!)!;
      for (const option of options) {
        if (!new RegExp(`${option}(?![a-z-])`).test(help)) wrong.push(`${name}: countersign ${command} ${option}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(helps.size >= 10, [...helps.keys()].join(" "));
});
