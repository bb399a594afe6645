/** The real getmail with contrib/getmail, and a Dovecot that gives it mail. */
import { PASSWORD } from "./dovecot.ts";
import { configured, testFetch } from "./fetching.ts";
import { needMailHost } from "./mailhost.ts";

const test = await needMailHost(["getmail", "getmail6"]);

test("getmail/getmailrc", (t) =>
  testFetch(t, async (home, host, hook) => {
    const text = configured("getmail/getmailrc", home, {
      "SimplePOP3SSLRetriever": "SimplePOP3Retriever",
      "pop.example.org": `127.0.0.1\nport = ${host.ports.pop3}`,
      "= secret": `= ${PASSWORD}`,
      // Only the test runs as root.
      "[destination]": "[destination]\nallow_root_commands = true",
      ...(hook === undefined ? {} : { hook }),
    });
    home.write(".config/getmail/getmailrc", text, 0o600);
    return await home.run(["getmail"]);
  }));
