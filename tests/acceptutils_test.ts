/** docs/acceptutils.md: what it says to write works, and what it names exists. */
import assert from "node:assert/strict";
import { parseConfig } from "../lib/settings/parse.ts";
import { problems } from "../submit/fixsmtpio_rules.ts";
import { Page } from "./page.ts";

const page = new Page("docs/acceptutils.md");

Deno.test("docs/acceptutils.md: its settings can be parsed", () => {
  const [text] = page.blocks("toml") as [string];
  const settings = parseConfig(text, { file: "/etc/countersign/config.toml", home: "/home/greg" });
  assert.deepEqual([settings.unconfigured, settings.submit.check_sender], ["pass", "login"]);
});

Deno.test("docs/acceptutils.md: the rules on the left are errors, and the fix is the rule on the right", () => {
  const pairs = [...page.text.matchAll(/^ *\| `(\S*:\S*)` +\| `(\S*:\S*)` +\|$/gm)].map(([, from, to]) =>
    [from!, to!] as const
  );
  assert.equal(pairs.length, 3);
  for (const [from, to] of pairs) {
    const [found] = problems(from, "fixsmtpio");
    assert.equal(found?.fix, `write ${to}`);
    assert.deepEqual(problems(to, "fixsmtpio"), []);
  }
  assert.ok(page.text.includes("AUTHUP_USER:greeting::2*::235 ok, go ahead (#2.0.0)"));
});
