/** The real fetchmail with contrib/fetchmail, and a Dovecot that gives it mail. */
import { PASSWORD } from "./dovecot.ts";
import { configured, testFetch } from "./fetching.ts";
import { needMailHost } from "./mailhost.ts";

const test = await needMailHost(["fetchmail", "fetchmail"]);

test("fetchmail/fetchmailrc", (t) =>
  testFetch(t, async (home, host, hook) => {
    const text = configured("fetchmail/fetchmailrc", home, {
      "pop.example.org protocol pop3": `127.0.0.1 protocol pop3 port ${host.ports.pop3}`,
      '"secret"': `"${PASSWORD}"`,
      "is greg here ssl": 'is root here sslproto ""',
      ...(hook === undefined ? {} : { hook }),
    });
    home.write(".fetchmailrc", text, 0o600);
    return await home.run(["fetchmail", "--nodetach", "--nosyslog", "--silent"], "", { USER: "root", LOGNAME: "root" });
  }));
