/** Many clients at once. */
import assert from "node:assert/strict";
import { MAIL, RawSmtp } from "./raw_smtp.ts";
import { QUICK_LOGIN, SubmitdHome } from "./submitd_home.ts";

Deno.test("200 TLS sessions are held, and each of them sends", async () => {
  await using one = await SubmitdHome.start({ submit: "max_per_address = 200" });
  one.home.write("users", QUICK_LOGIN, 0o600);
  const settings = one.settings();
  const transport = { ...settings.transport, via: "maildir" as const, maildir: `${one.home.path}/out` };
  one.server.reload({ ...settings, transport });
  const clients: RawSmtp[] = [];
  try {
    for (let at = 0; at < 200; at += 20) {
      clients.push(...await Promise.all(Array.from({ length: 20 }, () => RawSmtp.greg(one.tls, one.ca))));
    }
    const replies = await Promise.all(
      clients.map((client, at) => client.submit(MAIL.replace("<1@", `<${at}@`))),
    );
    assert.deepEqual(replies.filter((reply) => !/^250 /.test(reply)), [], one.reports.join("\n"));
    assert.equal(one.home.mails("out").length, 200);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});
