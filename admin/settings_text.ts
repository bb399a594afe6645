/** Returns the text of the settings file that `init` creates. */
import { stringify } from "smol-toml";
import { withPath } from "../lib/settings/mailbox.ts";
import type { Settings } from "../lib/settings/parse.ts";
import type { Answers } from "./init_questions.ts";

/** Returns the name of the key file of the nth identity. */
function keyFileName(address: string, nth: number): string {
  if (nth === 0) return "keys";
  return /^[\w.+-]+@[\w.-]+$/.test(address) ? `keys-${address.toLowerCase()}` : `keys-${nth + 1}`;
}

/** A part of a settings file, with the names and types of the schema. */
interface Part {
  readonly since?: string;
  readonly identity?: readonly Partial<Settings["identity"][number]>[];
  readonly transport?: Partial<Settings["transport"]>;
  readonly incoming?: Partial<Settings["incoming"]>;
  readonly challenge?: Partial<Settings["challenge"]>;
}

/** Returns the settings of these answers as TOML; settings with their default value are omitted. */
export function settingsText(answers: Answers, since: string, home: string): string {
  const { addresses, srsDomain, transport, spam, inbox, challenges } = answers;
  const path = (text: string) => text.startsWith(`${home}/`) ? `~${text.slice(home.length)}` : text;
  const identity = addresses.map((address, nth) => ({
    address,
    ...(srsDomain === "" ? {} : { srs_domain: srsDomain }),
    keys: keyFileName(address, nth),
  }));
  const parts: (string | Part)[] = [
    "# For incoming.grace days from this date forged bounces are only marked, because earlier mail was not signed.\n",
    { since },
    "\n",
    { identity },
    "\n",
    { transport: transportPart(transport, path) },
    "\n",
    inbox === "" ? "" : "# inbox is where the hook delivers if nothing after it does.\n",
    { incoming: { spam: withPath(spam, path), ...(inbox === "" ? {} : { inbox: withPath(inbox, path) }) } },
    ...(challenges ? ["\n", { challenge: { answer: true } }] : []),
  ];
  return parts.map((part) => typeof part === "string" ? part : `${stringify(part).trim()}\n`).join("");
}

function transportPart(
  transport: Answers["transport"],
  path: (text: string) => string,
): Partial<Settings["transport"]> {
  if ("maildir" in transport) return { via: "maildir", maildir: path(transport.maildir) };
  if (!("smtp" in transport)) return transport;
  const { host, port, security, ca, user, password_file } = transport.smtp;
  return {
    via: "smtp",
    host,
    ...(port === 0 ? {} : { port }),
    security,
    ...(ca === "" ? {} : { ca: path(ca) }),
    ...(user === "" ? {} : { user, password_file: path(password_file) }),
  };
}
