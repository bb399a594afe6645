/** A real Postfix without a milter, with contrib/postfix/policy. */
import assert from "node:assert/strict";
import { qsbmf } from "../rig.ts";
import { needPostfix, smtp, until } from "./postfix.ts";
import { MapsHost } from "./postfix_maps.ts";
import { GREG, LETTER, LIE, MAIN, plainSnippet, srs } from "./site.ts";

const test = await needPostfix();

test("Postfix without a milter: one request through each socket", async () => {
  await using host = await MapsHost.start({ main: MAIN + plainSnippet("policy/main.cf") });
  const { port } = host.postfix;
  assert.equal(
    await smtp(port, "", srs(GREG, new Date(), "mallory"), qsbmf("x", LIE)),
    `550 5.1.1 <${srs(GREG, new Date(), "mallory")}>: Recipient address rejected: No such address\r\n`,
  );
  assert.match(await smtp(port, "", srs(GREG), LETTER), /^250/, host.trouble());
  await until("delivery", () => / orig_to=<SRS0=.*status=sent/.test(host.postfix.log), host.trouble);
});
