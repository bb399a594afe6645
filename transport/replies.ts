/** What a server's answer, or its silence, means: never, later, or that nobody knows. */
import { Fail, reason, show } from "../lib/fail.ts";
import { Rejected } from "./rejected.ts";

/** What the library tells with an error. */
interface Told {
  /** Its own kind of error. */
  readonly code?: string;
  /** What was said last: CONN, EHLO, STARTTLS, AUTH …, MAIL FROM, RCPT TO, DATA. */
  readonly command?: string;
  /** The server's reply; undefined when there was none. */
  readonly response?: string;
  readonly recipient?: string;
}

/** What is known about a session. */
export interface Known {
  readonly server: string;
  readonly user: string;
  /** Not to be told, even if the server says them. */
  readonly secrets?: readonly string[];
  /** Had the server the whole message? */
  readonly whole?: boolean;
  /** Recipients that were refused. */
  readonly rejected?: readonly Error[];
}

/**
 * The failure that an error of the library is.
 *
 * - `refused`: the server has said that it will never take this message (5yz to MAIL, RCPT, DATA or the message)
 * - `permission`: it does not let us in (5yz to AUTH, or 530, RFC 4954 section 6)
 * - {@link Rejected} with 75: not sent, and another time it may be. A greeting or a name that cannot be found says
 *   nothing about the message
 * - `temporary`: it had the whole message, and what it said to that was not seen
 */
export function failureOf(error: unknown, known: Known): Fail {
  if (error instanceof Fail) return error;
  const { command = "", response, code } = error as Told;
  const { server, rejected = [] } = known;
  const options = { cause: error };
  if (command === "RCPT TO" && rejected.length > 0) {
    const each = rejected.map((one) => `${show((one as Told).recipient ?? "")}: ${say(one as Told, known)}`);
    const what = `${server} refuses ${each.join(", ")}; nothing is sent`;
    return rejected.some((one) => isNever(one as Told)) ? new Fail("refused", what, options) : new Rejected(75, what);
  }
  if (known.whole && !/^[45]\d\d\b/.test(response ?? "")) {
    const why = response === undefined ? lower(reason(error)) : say({ response }, known);
    return new Fail(
      "temporary",
      `${server} has the message, but no clear answer came (${why}): it may be sent`,
      options,
    );
  }
  const what = `${server} ${doing(command, known)}: ${say(error as Told, known)}`;
  if (isNever(error as Told)) {
    if (command.startsWith("AUTH") || /^530\b/.test(response ?? "")) return new Fail("permission", what, options);
    if (/^(?:MAIL FROM|RCPT TO|DATA)$/.test(command)) return new Fail("refused", what, options);
  }
  // The library will not send such an envelope.
  if (code === "EENVELOPE" && response === undefined) return new Fail("refused", what, options);
  return new Rejected(75, what);
}

/** Is it for good? 503 says that the two of us are out of step, not that the message is bad. */
function isNever({ response = "" }: Told): boolean {
  return /^5\d\d\b/.test(response) && !response.startsWith("503");
}

/** What the server did not do. */
function doing(command: string, { user }: Known): string {
  if (command.startsWith("AUTH")) return `does not let ${show(user)} in`;
  const words: Record<string, string> = {
    STARTTLS: "does not begin TLS",
    EHLO: "refuses to talk",
    HELO: "refuses to talk",
    "MAIL FROM": "refuses the sender",
    "RCPT TO": "refuses a recipient",
    DATA: "refuses the message",
  };
  return words[command] ?? "cannot be used";
}

/** The server's words on one line, or what happened when it has said nothing; no secret of ours. */
function say(error: Told, { secrets = [] }: Known): string {
  if (error.response === undefined) return lower(reason(error));
  const [first = "", ...more] = error.response.split(/\r?\n/);
  let text = [first.replace(/^(\d{3})-/, "$1 "), ...more.map((line) => line.replace(/^\d{3}[- ]?/, ""))].join(" ");
  for (const secret of secrets) text = text.replaceAll(secret, "…");
  return show(text);
}

const lower = (text: string): string => /^[A-Z][a-z]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
