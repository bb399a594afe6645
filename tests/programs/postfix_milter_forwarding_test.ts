/** One Postfix with the milters of contrib/postfix/milter that also forwards mail, with contrib/postfix/forwarding. */
import assert from "node:assert/strict";
import { CREATED, qsbmf } from "../rig.ts";
import { needPostfix, smtp, until } from "./postfix.ts";
import { installOnce, isSigned, letter, MilterHost } from "./postfix_milter.ts";
import { forwardingIn, replaced } from "./postfix_maps.ts";
import { chown, GREG, LETTER, LIE, plainSnippet, SITE, srs } from "./site.ts";

const test = await needPostfix();
const plain = `${GREG}@example.org`;

const KEYS = "/etc/countersign/keys/forwarding";
const ALIAS = "{ alias@example.org = bob@far.example }";
const own = { main: plainSnippet("forwarding/main.cf"), config: plainSnippet("forwarding/config.toml") };
const shared = forwardingIn("srs.example.org");
const setups: [domain: string, main: string, config: string][] = [
  ["forward.example.org", replaced(own.main, "inline:{ {", `inline:{ ${ALIAS}, {`), own.config],
  ["srs.example.org", `${shared.main}virtual_alias_maps = inline:{ ${ALIAS} }\n`, shared.config],
];
for (const [domain, main, config] of setups) {
  test(`a site that signs, checks and forwards with ${domain}: each address is rewritten and reversed once`, async (t) => {
    const installed = await installOnce();
    const keys = `${installed.home.path}/forwarding-keys`;
    Deno.writeTextFileSync(keys, `f1 ${CREATED} a secret for forwarded mail only\n`, { mode: 0o640 });
    chown(SITE, keys);
    await using host = await MilterHost.start(installed, {
      main,
      edit: (name, text) => name === "config" ? text + replaced(config, KEYS, keys) : text,
    });
    const { port } = host.postfix;
    let count = 0;
    const next = () => host.sent(++count);

    await t.step("mail of others is rewritten", async () => {
      assert.match(await smtp(port, "jo@far.example", "alias@example.org", LETTER), /^250/);
      const { from, to } = await next();
      assert.deepEqual(to, ["bob@far.example"], host.trouble());
      assert.match(from, new RegExp(`^SRS0=[\\w-]{8}=..=far\\.example=jo@${domain}$`));
      assert.match(await smtp(port, "", from, qsbmf("x", LIE)), /^250/);
      const back = await next();
      assert.deepEqual([back.from, back.to], ["", ["jo@far.example"]]);
      const wrong = from.replace(/=..(?=......=)/, "=zz");
      assert.match(
        await smtp(port, "", wrong, qsbmf("x", LIE)),
        /^550(?:-5\.1\.1 No such address| 5\.1\.1 .*User unknown)/,
      );
    });

    await t.step("mail that the milter has signed is not", async () => {
      assert.match(await host.submit(GREG, plain, letter(GREG, "own")), /^250/);
      isSigned(await next());
      assert.match(await host.submit(GREG, plain, letter(GREG, "alias"), "alias@example.org"), /^250/);
      isSigned(await next());
    });

    await t.step("a bounce to the signed address reaches the hook", async () => {
      assert.match(await smtp(port, "", srs(GREG), qsbmf("x", LIE)), /^250/);
      await until("the bounce", () => host.inbox().length === 1, host.trouble);
      assert.match(host.inbox()[0]!, /^X-Countersign: genuine; check=signed-recipient;/m);
    });

    await t.step("the door rejects forgeries as before", async () => {
      for (const secret of ["a secret for forwarded mail only", "mallory"]) {
        assert.match(await smtp(port, "", srs(GREG, new Date(), secret), LETTER), /^550-5\.1\.1 No such address/);
      }
      assert.match(await smtp(port, "", plain, qsbmf(plain, LIE)), /^550-5\.7\.1 This is a bounce/);
      // greg is never rewritten, so that no forwarded address leads to greg.
      assert.match(await smtp(port, plain, "alias@example.org", LETTER), /^250/);
      assert.equal((await next()).from, plain);
    });
  });
}
