/** The screen at the end of `countersign init`. */
import assert from "node:assert/strict";
import { rowsOf, SCREEN, screenText } from "../../admin/init_screen.ts";
import { pastesIn, pastesOut } from "../../admin/paste.ts";

const VALUES = {
  ...{ shim: "/usr/local/bin/shim", hook: "/usr/local/lib/countersign/hooks/incoming" },
  ...{
    countersign: "/usr/local/bin/countersign",
    config: undefined,
    home: "/home/ann",
    mailbox: { maildir: "/home/ann/Maildir" },
  },
  ...{ user: "ann", address: "ann@example.com", srsDomain: "bounce.example.com", challenges: false },
};
const OUT = ["mutt", "neomutt", "aerc", "alpine", "s-nail", "nmh", "git", "exim"];
const IN = ["qmail-inject", "postfix", "maildrop", "procmail", "mbsync", "fetchmail", "getmail", "fdm"];
const rest = { printAll: "countersign init --print-all", next: ["Next: countersign doctor"] };

Deno.test("whatever is found, the text fits on a screen, and every file is shown whole or named", () => {
  for (const count of [0, 1, 2, 4, 8]) {
    const pastes = [...pastesOut(OUT.slice(0, count), VALUES), ...pastesIn(IN.slice(0, count), VALUES)];
    for (const notes of [[], ["a"], Array.from({ length: 8 }, () => "x".repeat(81))]) {
      const text = screenText({ notes, pastes, ...rest });
      if (notes.length < 8) assert.ok(rowsOf(text) < SCREEN.rows, text);
      for (const { into, text: lines } of pastes) {
        const whole = lines.split("\n").filter((line) => !/^\s*(#|$)/.test(line)).join("\n");
        const shown = text.includes(`--- ${into}\n${whole}\n`);
        const named = /^Also for (.*): countersign init --print-all$/m.exec(text)?.[1]?.includes(
          into.split(/ \(|,/)[0]!,
        );
        assert.ok(shown !== (named ?? false) || into.startsWith("~/.qmail"), into);
      }
      assert.ok(text.endsWith("\nNext: countersign doctor"));
    }
  }
});

Deno.test("the lines of a few programs are all on the screen", () => {
  const pastes = [...pastesOut(["mutt", "git"], VALUES), ...pastesIn(["qmail-inject"], VALUES)];
  const text = screenText({ notes: ["Written"], pastes, ...rest });
  assert.ok(!text.includes("Also for"), text);
  assert.match(text, /^--- ~\/\.qmail\n\|.*incoming\n\.\/Maildir\/$/m);
});
