/** The behaviours of msmtp_rows.ts with the real msmtp and with the shim, and the table of contrib/msmtp/README.md. */
import assert from "node:assert/strict";
import { Home, oneLine, ROOT } from "../rig.ts";
import { need } from "./need.ts";
import { Comparison } from "./msmtp_comparison.ts";
import { ANN, comparisonTable, type Did, GREG, letter, PARTS } from "./msmtp_rows.ts";

const test = await need("msmtp");
await need("openssl");

for (const [heading, rows] of PARTS) {
  test(`msmtp compared with the shim: ${heading}`, async (t) => {
    await using comparison = await Comparison.open();
    for (const row of rows) {
      for (const program of ["msmtp", "shim"] as const) {
        const did: Did = row[program];
        await t.step(`${row.what}: ${program}: ${did.words}`, async () => {
          comparison.home.write("asked", "");
          const ran = await comparison.run(program, { args: ["-f", GREG, ANN], mail: letter(GREG), ...row });
          const { code, account, from, to } = ran;
          assert.deepEqual({ code, account, from, to }, {
            code: did.status,
            account: did.account,
            from: did.from,
            to: did.to,
          }, ran.stderr);
          if (did.says !== undefined && program === "shim") oneLine(ran, did.status, did.says);
          else if (did.says !== undefined) assert.match(ran.stderr, did.says);
          else if (program === "shim") assert.equal(ran.stderr, "");
          if (did.header !== undefined) assert.match(ran.mail ?? "", did.header);
          if (did.without !== undefined) assert.doesNotMatch(ran.mail ?? "", did.without);
          if (/password (?:has been|is) read/.test(did.words)) {
            assert.equal(comparison.home.read("asked") !== "", did.words.includes("has been"));
          }
        });
      }
    }
  });
}

Deno.test("contrib/msmtp/README.md has the table", () => {
  const text = Deno.readTextFileSync(`${ROOT}/contrib/msmtp/README.md`);
  const [, table] = /<!-- deno-fmt-ignore-start -->\n(\| Situation [^]*?)\n<!-- deno-fmt-ignore-end -->/.exec(text)!;
  assert.equal(table, comparisonTable());
});

Deno.test("every setting in the table for users of msmtp exists, and its example is valid", () => {
  const text = Deno.readTextFileSync(`${ROOT}/contrib/msmtp/README.md`);
  const [, table] = /(\| msmtprc [^]*?)\n<!-- deno-fmt-ignore-end -->/.exec(text)!;
  const settings = [...table!.matchAll(/\| `[^|]*` \| `\[\[account\]\]`: `(\w+) = /g)].map(([, name]) => name!);
  assert.ok(settings.length >= 11, settings.join(" "));
  for (const setting of settings) {
    using home = new Home();
    const given = new RegExp(`\`(${setting} = [^\`]+)\``).exec(table!)![1]!;
    const needs = /^(?:password|oauth2)/.test(setting)
      ? 'user = "greg"\n'
      : setting === "user"
      ? 'password_file = "p"\n'
      : "";
    const host = setting === "host" ? "" : 'host = "smtp.example.org"\n';
    const name = setting === "name" ? "" : 'name = "work"\n';
    home.settings(`[transport]\nvia = "smtp"\n[[account]]\n${name}${host}${needs}${given}\n`);
    assert.notEqual(home.read(".config/countersign/config.sandbox"), "", given); // only written for valid settings
  }
});
