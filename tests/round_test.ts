/** A message sent by the shim, its bounce received by the hook. */
import assert from "node:assert/strict";
import { Home, qsbmf } from "./rig.ts";

Deno.test("a bounce is genuine also if the Message-ID had no brackets, was empty or missing", async (t) => {
  for (const id of ["Message-ID: bare.1@example.org\n", "Message-ID:\n", "Message-ID:  \n", ""]) {
    await t.step(JSON.stringify(id), async () => {
      using home = new Home();
      const written = `From: greg@example.org\nTo: ann@example.net\n${id}Subject: x\n\nHi.\n`;
      assert.equal((await home.shim(["ann@example.net"], written)).code, 0);
      const [mail] = home.mails("out") as [string];
      assert.equal(mail.match(/^Message-ID:/gim)?.length, 1);
      if (id.includes("bare")) assert.match(mail, /^Message-ID: bare\.1@example\.org$/m);
      else assert.match(mail, /^Message-ID: <[a-z2-7]{24}@example\.org>$/m);
      const env = { SENDER: "", RECIPIENT: "greg@example.org" };
      const maildir = ["--as", "maildrop", "--maildir", `${home.path}/Maildir`];
      const hook = (original: string) => home.hook(maildir, qsbmf("greg@example.org", original), env);
      assert.equal((await hook(mail)).code, 0);
      assert.match(home.mails("Maildir")[0]!, /^X-Countersign: genuine; check=returned-header; /m);
      // The tag is bound to the Message-ID, so it is invalid with another one.
      assert.equal((await hook(mail.replace(/^Message-ID: .*/m, "Message-ID: <other@example.org>"))).code, 0);
      assert.equal(home.mails("Maildir").length, 1);
    });
  }
});
