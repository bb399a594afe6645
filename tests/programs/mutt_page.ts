/** What the pages for mutt with Postfix and with qmail have in common. */
import assert from "node:assert/strict";
import type { Page } from "../page.ts";
import type { Home } from "../rig.ts";

const CONFIG = ".config/countersign/config.toml";

/** The muttrc of the page, and no copy of sent mail. */
export const muttrcOf = (page: Page): string =>
  `${page.block(/^set sendmail/)}${page.code("unless it is already set:")}\nset copy=no\n`;

/** Asserts that doctor prints what the page says it prints in the end. */
export const nothingFound = (page: Page, printed: string): void =>
  assert.equal(printed.trimEnd().split("\n").at(-1), page.code("prints"));

/** The spam folder, relative to the home. */
export const spamFolder = (page: Page): string => page.code("delivered to the spam folder,").replace("~/", "");

/**
 * Changes the settings as the page says, so that forged bounces are filed and no longer marked.
 *
 * @param shell runs a line of the page @param forged a file below the home with a forged bounce, for explain
 */
export async function fileForgeries(
  page: Page,
  home: Home,
  shell: (line: string) => Promise<string>,
  forged: string,
): Promise<void> {
  const settings = home.read(CONFIG);
  const table = page.code("`grace = 0` in");
  assert.ok(settings.includes(`${table}\n`), settings);
  // In place, so that the file keeps its owner.
  Deno.writeTextFileSync(
    `${home.path}/${CONFIG}`,
    settings.replace(`${table}\n`, `${table}\n${page.code("from now on, set")}\n`),
  );
  await shell(page.code(`in \`${table}\` and run`));
  const explained = await shell(page.code("The verdict of").replace("FILE", forged));
  const verdict = `Verdict ${page.code("on a bounce of mail that you did not send is then")}:`;
  assert.ok(explained.replaceAll(/ +/g, " ").includes(verdict), explained);
}
