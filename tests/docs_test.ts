/** What documents say is what the code does. */
import assert from "node:assert/strict";
import { BEGIN, END, settingsTable, withTable } from "../contrib/docs/settings.ts";
import { SETTINGS } from "../lib/settings.ts";
import { VERSION } from "../lib/version.ts";
import { ROOT } from "./rig.ts";

Deno.test("deno.json and the programs have the same version", () => {
  assert.equal(JSON.parse(Deno.readTextFileSync(`${ROOT}/deno.json`)).version, VERSION);
});

Deno.test("The table has a row for every setting, with its default", () => {
  const rows = settingsTable().split("\n").filter((line) => line.startsWith("| `"));
  assert.equal(rows.length, SETTINGS.length);
  for (const [at, { name, fallback, help }] of SETTINGS.entries()) {
    const [, first, value, standard, meaning] = rows[at]!.split(/(?<!\\)\|/).map((cell) => cell.trim());
    assert.equal(first, `\`${name}\``);
    assert.notEqual(value, "");
    const expected = fallback === undefined ? "must be given" : fallback === "" ? "none" : JSON.stringify(fallback);
    assert.equal(standard!.replaceAll("`", ""), expected, name);
    assert.equal(meaning!.replaceAll("\\|", "|"), help, name);
  }
});

Deno.test("README.md has the table of now", () => {
  const readme = Deno.readTextFileSync(`${ROOT}/README.md`);
  assert.ok(readme === withTable(readme), "The table is out of date; run: deno run -A contrib/docs/settings.ts");
});

Deno.test("The table is replaced between its markers, and nothing else", () => {
  const text = `before\n${BEGIN}\nTHE OLD ONE\n${END}\nafter\n`;
  const once = withTable(text);
  assert.ok(once.startsWith(`before\n${BEGIN}\n`) && once.endsWith(`\n${END}\nafter\n`), once);
  assert.ok(!once.includes("THE OLD ONE"));
  assert.equal(withTable(once), once);
  for (const wrong of ["", BEGIN, END, `${END}\n${BEGIN}`]) {
    assert.throws(() => withTable(wrong), /No <!-- settings -->/);
  }
});

Deno.test("deno fmt leaves the table as it is", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "--line-width", "120", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const text = withTable(`# Settings\n\n${BEGIN}\n${END}\n\nMore.\n`);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout } = await child.output();
  assert.equal(code, 0);
  assert.equal(new TextDecoder().decode(stdout), text);
});
