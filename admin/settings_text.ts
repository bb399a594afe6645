/** The first settings file, as text. */
import type { Answers, Smarthost } from "./init_questions.ts";

/** The key file of the nth identity, beside the settings. */
export function keyFileName(address: string, nth: number): string {
  if (nth === 0) return "keys";
  return /^[\w.+-]+@[\w.-]+$/.test(address) ? `keys-${address.toLowerCase()}` : `keys-${nth + 1}`;
}

/** The settings of these answers. */
export function settingsText(
  { addresses, srsDomain, transport, spam, inbox, challenges }: Answers,
  since: string,
  home: string,
): string {
  const path = (text: string) => quoted(text.startsWith(`${home}/`) ? `~${text.slice(home.length)}` : text);
  const identities = addresses.map((address, nth) =>
    `[[identity]]
address = ${quoted(address)}
${srsDomain === "" ? "" : `srs_domain = ${quoted(srsDomain)}\n`}keys = ${quoted(keyFileName(address, nth))}
`
  );
  const way = "maildir" in transport
    ? `via = "maildir"\nmaildir = ${path(transport.maildir)}`
    : "smtp" in transport
    ? smarthost(transport.smtp, path)
    : `preset = ${quoted(transport.preset)}\ncommand = [${transport.command.map(quoted).join(", ")}]`;
  const alone = "# Where the hook delivers when it is the only line of a dot-qmail file.\n";
  const inboxLine = inbox === "" ? "" : `${alone}inbox = ${path(inbox)}\n`;
  return `# Until some days after this one forged bounces are only marked: mail of before was not signed.
since = ${quoted(since)}

${identities.join("\n")}
[transport]
${way}

[incoming]
spam = ${path(spam)}
${inboxLine}${challenges ? "\n[challenge]\nanswer = true\n" : ""}`;
}

function smarthost({ host, port, security, ca, user, password_file }: Smarthost, path: (text: string) => string) {
  const lines = ['via = "smtp"', `host = ${quoted(host)}`];
  if (port !== 0) lines.push(`port = ${port}`);
  lines.push(`security = ${quoted(security)}`);
  if (ca !== "") lines.push(`ca = ${path(ca)}`);
  if (user !== "") lines.push(`user = ${quoted(user)}`, `password_file = ${path(password_file)}`);
  return lines.join("\n");
}

/** A basic string of TOML: JSON's, but DEL must be escaped, too. */
const quoted = (text: string): string => JSON.stringify(text).replaceAll("\x7f", "\\u007f");
