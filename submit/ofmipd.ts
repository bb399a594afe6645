/**
 * Accepts mail by SMTP from an authenticated client, and sends it for the user as the shim does. authup starts it
 * through checkpassword. The first of `Deno.args` is the name of this program.
 */
import { errorText, quote } from "../lib/fail.ts";
import { checkArguments, env } from "../io/system/environment.ts";
import { printInformation } from "../io/system/information.ts";
import { printError } from "../io/system/log.ts";
import { abortOnSignal } from "../io/system/signals.ts";
import { ClientGone, ClientInput, reply, SESSION_SECONDS } from "./client.ts";
import { controlNumber, greetingName } from "./controls.ts";
import { MailSession } from "./mail_session.ts";
import { loadUser, type User } from "./user.ts";

const HELP = `Usage: ofmipd [RULES]
Accepts mail by SMTP on standard input and output, signs it, and sends it for the user as whom it runs. Run it behind
authup and checkpassword only, because it does not authenticate clients itself.

RULES is a file with lines key:name:address: each changes the sender of mail from KEY to NAME <ADDRESS>. Default:
~/.ofmipd/rules, if it exists. Settings: ~/.config/countersign/config.toml
Example: tcpserver 0 587 authup smtp checkpassword checknotroot ofmipd`;

/** The last reply, unless the client has disconnected. */
const LAST_REPLIES = {
  timeout: "451 timeout (#4.4.2)",
  long: "500 5.5.2 Line too long",
  stopped: "421 4.3.2 Server is shutting down",
};

/** Runs ofmipd. @param seconds maximum duration of the session @returns the exit status */
export async function ofmipd(name: string, args: readonly string[], seconds = SESSION_SECONDS): Promise<number> {
  if (printInformation(args[0], HELP)) return 0;
  let user: User | undefined;
  try {
    checkArguments(args);
    if (args.length > 1) throw new Error(`Unknown argument ${quote(args[1]!)}`);
    user = loadUser(args[0]);
  } catch (error) {
    printError(name, errorText(error));
  }
  try {
    const limit = await databytes();
    const abort = abortOnSignal();
    const input = new ClientInput(Deno.stdin, controlNumber("timeoutsmtpd", 1200), Date.now() + seconds * 1000, abort);
    const session = new MailSession(input, user, {
      host: greetingName("smtp"),
      limit,
      abort,
      client: await env("TCPREMOTEIP") ?? await env("REMOTE_HOST") ?? "unknown",
      report: (what) => printError(name, what),
    });
    // authup has not replied to AUTH: the greeting of the program behind it is the reply.
    await reply(Deno.env.has("AUTHUP_USER") ? "235 ok, go ahead (#2.0.0)" : `220 ${session.host} ESMTP`);
    await session.run();
    return 0;
  } catch (error) {
    if (error instanceof ClientGone) {
      if (error.why !== "closed") await reply(LAST_REPLIES[error.why]).catch(() => {});
      return 0;
    }
    printError(name, errorText(error));
    return 75;
  }
}

/** Returns the maximum size of a message, as qmail-smtpd determines it. */
async function databytes(): Promise<number> {
  const given = await env("DATABYTES") ?? "";
  return /^\d{1,15}$/.test(given) ? Number(given) : controlNumber("databytes", 0);
}

if (import.meta.main) Deno.exit(await ofmipd(Deno.args[0] ?? "ofmipd", Deno.args.slice(1)));
