/**
 * Addresses that have moved or expired, and `refuse_unsigned`: the bounces that users of another real Postfix receive.
 */
import assert from "node:assert/strict";
import { qsbmf } from "../rig.ts";
import { Sink } from "../smtp_sink.ts";
import { Installed } from "./installation.ts";
import { freePort, needPostfix, Postfix, smtp, until } from "./postfix.ts";
import { MilterHost } from "./postfix_milter.ts";
import { GREG, LETTER, LIE, srs } from "./site.ts";

const test = await needPostfix();
const plain = `${GREG}@example.org`;
const DAY_MS = 86_400_000;

test("a Postfix client's bounce shows the new address", async (t) => {
  using installed = await Installed.make();
  const near = freePort();
  await using people = new Sink();
  await using far = await Postfix.start({
    main: `myhostname = mx.far.example
mydestination =
mynetworks = 127.0.0.0/8
transport_maps = inline:{ example.org=smtp:[127.0.0.1]:${near}, srs.example.org=smtp:[127.0.0.1]:${near}, far.example=smtp:[127.0.0.1]:${people.port} }
`,
  });
  const moved = `${installed.home.path}/moved`;
  Deno.writeTextFileSync(moved, "old@example.org new.100%@example.net\n", { mode: 0o644 });
  await using host = await MilterHost.start(installed, {
    port: near,
    edit: (name, text) =>
      name === "config"
        ? text.replace("[serve]", `[serve]\nmoved = "${moved}"`).replace("logins =", "refuse_unsigned = true\nlogins =")
        : text,
  });

  /** Sends a letter of jo's, whose Postfix cannot deliver it. @returns the bounce that jo gets */
  const bounced = async (recipient: string): Promise<string> => {
    const before = people.accepted.length;
    const argv = ["/usr/sbin/sendmail", "-C", far.config, "-f", "jo@far.example", recipient];
    assert.equal((await host.home.run(argv, LETTER)).code, 0);
    await until("the bounce", () => people.accepted.length > before, () => far.log + host.trouble());
    const { from, to, mail } = people.accepted[before]!;
    assert.deepEqual([from, to], ["", ["jo@far.example"]]);
    return mail.replace(/\n[ \t]+/g, " ");
  };

  await t.step("an address that has moved", async () => {
    const mail = await bounced("old@example.org");
    assert.match(mail, /551-5\.1\.6 The address has changed, please write to <new\.100%@example\.net>/);
    assert.match(mail, /551 5\.1\.6 Contact: https:\/\/example\.org\/mail \(in reply to RCPT TO command\)/);
    assert.match(mail, /^Status: 5\.1\.6$/m);
  });

  await t.step("a signed address that has expired", async () => {
    const expired = srs(GREG, new Date(Date.now() - 40 * DAY_MS));
    assert.match(await bounced(expired), new RegExp(`The address has expired, please write to <${plain}>`));
    assert.match(await smtp(near, "", expired, qsbmf("x", LIE)), /^250/, "a bounce to it is late, and delivered");
    await until("the bounce", () => host.inbox().length === 1, host.trouble);
  });

  await t.step("refuse_unsigned rejects the null sender to the plain address only", async () => {
    assert.equal(
      await smtp(near, "", plain, LETTER),
      "550-5.7.1 This address is not used as an envelope sender and accepts no bounces\r\n" +
        "550 5.7.1 Contact: https://example.org/mail\r\n",
    );
    assert.match(await smtp(near, "jo@far.example", plain, LETTER), /^250/);
    assert.match(await smtp(near, "", srs(GREG), LETTER), /^250/);
  });
});
