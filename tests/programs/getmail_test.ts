/** The real getmail with contrib/getmail, and a Dovecot that gives it mail. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import type { Laptop } from "../admin/sweep.ts";
import { PASSWORD } from "./dovecot.ts";
import { configured, testFetch } from "./fetching.ts";
import { type MailHost, needMailHost } from "./mailhost.ts";

const test = await needMailHost(["getmail", "getmail6"]);

/** Runs getmail with the snippet for this server, and other changes. */
async function getmail(home: Laptop, host: MailHost, hook?: string, more: Record<string, string> = {}) {
  const text = configured("getmail/getmailrc", home, {
    ...more,
    "POP3SSLRetriever": "POP3Retriever",
    "pop.example.org": `127.0.0.1\nport = ${host.ports.pop3}`,
    "= secret": `= ${PASSWORD}`,
    // Only the test runs as root.
    "[destination]": "[destination]\nallow_root_commands = true",
    ...(hook === undefined ? {} : { hook }),
  });
  home.write(".config/getmail/getmailrc", text, 0o600);
  return await home.run(["getmail"]);
}

test("getmail/getmailrc", (t) => testFetch(t, getmail));

test("getmail: a multidrop retriever passes the address on, as in contrib/getmail/README.md", async (t) => {
  const readme = Deno.readTextFileSync(`${ROOT}/contrib/getmail/README.md`).replace(/\s+/g, " ");
  for (const text of ["MultidropPOP3SSLRetriever", "envelope_recipient = delivered-to:1", '"%(recipient)"']) {
    assert.ok(readme.includes(text), text);
  }
  await testFetch(t, (home, host, hook) =>
    getmail(home, host, hook, {
      "SimplePOP3SSLRetriever": "MultidropPOP3SSLRetriever\nenvelope_recipient = delivered-to:1",
      "POP3SSLRetriever": "POP3Retriever",
      '"greg@example.org"': '"%(recipient)"',
    }));
});
