/** docs/acceptutils.md: what it says to write works, and what it names exists. */
import assert from "node:assert/strict";
import { parseConfig } from "../lib/settings/parse.ts";
import { problems } from "../submit/fixsmtpio_rules.ts";
import { ROOT } from "./rig.ts";

const PAGE = Deno.readTextFileSync(`${ROOT}/docs/acceptutils.md`);

Deno.test("docs/acceptutils.md: its settings can be parsed", () => {
  const [, toml = ""] = /```toml\n([^]*?)```/.exec(PAGE) ?? [];
  const text = toml.replaceAll(/^ {3}/gm, "");
  const settings = parseConfig(text, { file: "/etc/countersign/config.toml", home: "/home/greg" });
  assert.deepEqual([settings.unconfigured, settings.submit.check_sender], ["pass", "login"]);
});

Deno.test("docs/acceptutils.md: the rules on the left are errors, and the fix is the rule on the right", () => {
  const pairs = [...PAGE.matchAll(/^ *\| `(\S*:\S*)` +\| `(\S*:\S*)` +\|$/gm)].map(([, from, to]) =>
    [from!, to!] as const
  );
  assert.equal(pairs.length, 3);
  for (const [from, to] of pairs) {
    const [found] = problems(from, "fixsmtpio");
    assert.equal(found?.fix, `write ${to}`);
    assert.deepEqual(problems(to, "fixsmtpio"), []);
  }
  assert.ok(PAGE.includes("AUTHUP_USER:greeting::2*::235 ok, go ahead (#2.0.0)"));
});

Deno.test("docs/acceptutils.md: every link leads to a file", () => {
  const links = [...PAGE.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link!);
  assert.ok(links.length > 5);
  for (const link of links) assert.ok(Deno.statSync(`${ROOT}/docs/${link}`), link);
});
