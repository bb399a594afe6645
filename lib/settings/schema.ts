/**
 * The one table of settings: how each value is read and checked, its default and its documentation. The types of the
 * settings, docs/settings.md, countersign.conf(5) and the error messages are made from it. It is longer than other
 * files, because it is one table.
 */
import { PRESET_NAMES } from "./presets.ts";
import { DOORBELL } from "./doorbell.ts";
import { SERVER } from "./server.ts";
import { parseAddress } from "../address.ts";
import {
  accountName,
  addressOrNothing,
  authBackend,
  contact,
  date,
  domain,
  domains,
  endpoints,
  flag,
  helo,
  host,
  list,
  logins,
  mailbox,
  notEmpty,
  number,
  oneOf,
  path,
  patterns,
  program,
  redis,
  serverName,
  type Setting,
  text,
  userSettings,
  words,
} from "./values.ts";

/** The settings of a table; `V` is the type of its values. */
export type Table<V> = { readonly [N in keyof V]: Setting<V[N]> };

/** The values of a table. */
export type Values<T> = { readonly [N in keyof T]: T[N] extends Setting<infer V> ? V : never };

/** Envelope sender schemes, from the weakest to the strongest. */
export type Scheme = "plain" | "prvs" | "srs";
const SCHEMES = ["srs", "prvs", "plain"] as const satisfies readonly Scheme[];

/** Settings outside any table, which come first in the file. */
export const TOP = {
  since: date(
    "The date from which your mail is signed, such as 2026-11-20. For `incoming.grace` days from this date forged " +
      "bounces are only marked, because earlier mail was not signed.",
  ),
  sender: oneOf(
    SCHEMES,
    "srs",
    "The default envelope sender scheme, used where no rule matches: `srs`, `prvs` or `plain`.",
  ),
  mixed: oneOf(
    ["plain", "srs"],
    "plain",
    "Which scheme wins when recipients match different rules: `plain` prefers plain over prvs over srs; `srs` prefers " +
      "srs over prvs over plain.",
  ),
  plain_lists: path(
    "plain-lists",
    "A file of mailing lists, one address per line, that always get the plain sender, whatever the rules say; " +
      "`countersign plain add` edits it.",
    notEmpty,
  ),
  unconfigured: oneOf(
    ["fail", "pass"],
    "fail",
    "In a site's settings without any `[[identity]]`: `pass` sends the mail of users who have no settings of their own, " +
      "unsigned. `fail` rejects it with status 78.",
  ),
  domain: text("", "The domain added to a From address that has none (cron's `root`).", domain),
  log_addresses: flag(false, "Log the full addresses of other people instead of their domains only."),
};

/** Tables that are repeated, once for each identity, rule or account. */
export const REPEATED = {
  identity: {
    address: text(
      undefined,
      "One of your addresses. Repeat `[[identity]]` for each.",
      (value) => void parseAddress(value),
    ),
    also: words(
      [],
      'Patterns of other addresses that belong to this identity, such as `["greg+*@example.org", ' +
        '"*@greg.example.org"]`; the envelope sender is made from the address in use.',
      patterns,
    ),
    srs_domain: text(
      "",
      "The domain of its SRS addresses. Mail for this domain must be delivered to the hook.",
      domain,
    ),
    logins: words(
      [],
      "The logins (SASL) whose mail `countersign serve` signs for this identity, spelled as the mail server reports them.",
      logins,
    ),
    keys: path(
      "keys",
      "Its key file, mode 0600, with one key per line: `id created secret`. Identities cannot share a key file.",
      notEmpty,
    ),
    refuse_unsigned: flag(
      false,
      "`countersign serve` rejects all mail from the null sender to the plain address, before its content is sent: " +
        "genuine bounces come to the signed address. **This also rejects receipts, vacation replies and sender " +
        "callouts.** It has no effect during the grace period.",
    ),
    group: flag(
      false,
      "Allow the group of the key file to read it (mode 0640), for a site whose hook runs as a separate user.",
    ),
  },
  rule: {
    to: list(
      'Recipients that the rule matches; `*` matches any characters: `["*@lists.example.org"]`. Repeat `[[rule]]` as ' +
        "needed; the first match wins.",
      patterns,
    ),
    sender: oneOf(["", ...SCHEMES], "", "The scheme for these recipients. Empty: the value of the top-level `sender`."),
    confirm: flag(
      false,
      "With `challenge.answer`: remember mail to these recipients and answer their challenges about it.",
    ),
  },
  account: {
    name: text(
      undefined,
      "The name of the account in messages and in the log. Repeat `[[account]]` for each submission server, with " +
        '`transport.via = "smtp"`; the settings of the server are then here and not in `[transport]`.',
      accountName,
    ),
    from: words(
      [],
      "Addresses whose mail is sent through this account; `*` matches any characters. The first account that matches " +
        "the Resent-From of a message that you re-send is used, otherwise its From, otherwise `-f`.",
      patterns,
    ),
    default: flag(
      false,
      "Use this account for mail that no other account matches. A single account is always the default.",
    ),
    host: text(undefined, "The host name of the submission server, as in its certificate.", serverName),
    ...SERVER,
    sender: oneOf(
      ["", ...SCHEMES],
      "",
      "The strongest envelope sender scheme that the server accepts, since many providers reject a sender in another " +
        "domain. If the rules give a weaker one, that is used. Empty: no restriction.",
    ),
  },
  doorbell: DOORBELL,
};

/** All other tables. */
export const TABLES = {
  state: {
    folder: path(
      "~/.local/state/countersign",
      "The folder for the log and everything that must be remembered. It is created when needed.",
      notEmpty,
    ),
    shared: flag(
      false,
      "Everything that signs for the identities uses this folder, or the same Redis. Only then may `countersign serve` " +
        "reject a bounce because it names no remembered message.",
    ),
    redis: text(
      "",
      "A Redis server that remembers sent mail and the ledger for several hosts: `unix:/run/redis/redis.sock`, " +
        "`rediss://user@host:6379/0`, or `redis://` on this machine. It must run with `appendonly yes`, " +
        "`appendfsync always` and `maxmemory-policy noeviction`. Only `countersign serve` connects to it; shim and hook " +
        "ask the socket `lookup`.",
      redis,
    ),
    redis_password_file: path("", "The file that contains the password for Redis on a single line, mode 0600."),
    redis_ca: path("", "A file with the certificate of a private CA in PEM format, for `rediss://`."),
    lookup: path(
      "",
      "The socket at which `countersign serve` answers lookups. Shim and hook use it instead of using files if " +
        "this or `redis` is set. Default with `redis`: `lookup` in `serve.socket_folder`. Put it into a folder " +
        "of its own to let users query it without access to the sockets `door` and `sign`.",
    ),
  },
  srs: {
    hash_length: number(
      4,
      27,
      8,
      "Number of hash characters to write, 4 to 27. Verification requires as many, but at most 8.",
    ),
    alphabet: oneOf(
      ["base64url", "base64"],
      "base64url",
      "`base64url` writes `-` and `_`; `base64` is exactly what Mail::SRS writes (some sites reject its `/` and `+`). " +
        "Both are accepted when reading.",
    ),
    separator: oneOf(["=", "+", "-"], "=", "The character after SRS0. All three are accepted when reading."),
    max_age: number(
      1,
      179,
      21,
      "Number of days for which an SRS address is valid. From then until 180 days after it was signed, mail to it is " +
        "delivered with a mark.",
    ),
    skew: number(0, 7, 1, "Number of days by which another machine's clock may be ahead."),
    postmaster: text(
      "",
      "The identity that receives mail for postmaster@ and abuse@ the SRS domain. Default: the first identity.",
      addressOrNothing,
    ),
    others: oneOf(
      ["forged", "pass"],
      "forged",
      "What happens to mail for a signed address in the SRS domain that belongs to none of these identities: `forged`, " +
        "or `pass` where other users or postsrsd share the domain; `identity.also` does not match such addresses then. " +
        "If the domain is also `forwarding.domain`, hooks pass such mail, and `serve` rejects an address that it cannot " +
        "reverse.",
    ),
  },
  prvs: {
    receive: flag(
      false,
      "Your MTA accepts `prvs=…` addresses and delivers them to the hook. Unless this is set, prvs is never used.",
    ),
    delimiter: oneOf(
      ["", "+", "-", "_"],
      "",
      "Empty: `prvs=…=you@domain`. Otherwise the subaddress form `you-prvs=…@domain` with this delimiter.",
    ),
    lifetime: number(
      1,
      99,
      14,
      "Number of days for which a prvs address is valid. From then until 180 days after it was signed, mail to it is " +
        "delivered with a mark.",
    ),
  },
  transport: {
    via: oneOf(
      ["command", "smtp", "maildir"],
      "command",
      "How mail leaves: through another program, directly to a submission server, or into a maildir (for testing).",
    ),
    preset: oneOf(
      ["", ...PRESET_NAMES],
      "",
      `The program that sends the mail, which determines its arguments: ${PRESET_NAMES.join(", ")}.`,
    ),
    command: program(
      'The program and its first arguments, such as `["/usr/bin/msmtp", "-a", "work"]`. Default: the program of the ' +
        "preset.",
    ),
    maildir: path("", 'The maildir for `via = "maildir"`.'),
    timeout: number(
      0,
      86_400,
      900,
      "Timeout in seconds for the program or server; 0 disables it. After a timeout the message counts as not sent.",
    ),
    spool: flag(
      false,
      "Write the whole message to a file below `state.folder` before the program starts, so that it never sends a " +
        "truncated message, even if the shim is killed with SIGKILL. Costs 20 ms per message and the disk space.",
    ),
    host: text("", 'The submission server for `via = "smtp"`: the host name in its certificate.', host),
    ...SERVER,
    helo: text(
      "[127.0.0.1]",
      "The name sent with EHLO, which submission servers ignore. The default discloses nothing about your machine.",
      helo,
    ),
    real: program(
      "The real sendmail program for `-bs`, `-bp`, `-q` and `-bi`. Without it `-bs` and `-bp` are rejected, and the others " +
        "do nothing.",
    ),
  },
  outbox: {
    when: oneOf(
      ["never", "failed", "always"],
      "never",
      "When the shim puts mail into the outbox to send it later: `never`; `failed`, which sends at once and keeps the " +
        "message after a temporary failure; or `always`. The shim exits 0 once the message is kept, or accepted for at " +
        "least one recipient. Run `countersign outbox run` every minute.",
    ),
    report: path(
      "",
      "The maildir for reports about rejected recipients and failed logins. Empty: reports are sent to " +
        "the identity through the account of the message.",
    ),
  },
  tag: {
    sign: flag(true, "Add an X-Msgauth tag to your own mail."),
    pymsgauth: path(
      "",
      "The pymsgauth folder, for mail that reaches the shim with a pymsgauth token. Such a token counts as a tag for " +
        "the message that it was sent with, and for no other.",
    ),
  },
  challenge: {
    answer: flag(
      false,
      "Answer challenges (qsecretary, ezmlm, TMDA, qconfirm, Sympa) about messages that you sent. **By each " +
        "answer you accept the contract that the challenge states, for that message.**",
    ),
    lists: words(
      ["qmail@list.cr.yp.to", "log@list.cr.yp.to", "dns@list.cr.yp.to", "ezmlm@list.cr.yp.to"],
      "Lists whose challenges are answered; `*` matches any characters.",
      patterns,
    ),
    requests: flag(
      false,
      "Also answer challenges that quote nothing of your message (Mailman, Sympa AUTH, Majordomo 2), if exactly one " +
        "request that you sent within the last week asked to subscribe to, or unsubscribe from, that list.",
    ),
    answered: path(
      "~/Maildir/.Answered",
      "The maildir in which answered challenges are kept, since an answer is a contract. Empty: they are not kept.",
    ),
  },
  incoming: {
    forged: oneOf(
      ["spam", "refuse", "mark"],
      "spam",
      "What happens to a forged bounce: file it in the spam maildir, reject it during the SMTP session, or deliver it " +
        "with a mark. A hook never rejects, because the server would then send a bounce; it files the message instead.",
    ),
    unsolicited: oneOf(
      ["mark", "deliver", "spam"],
      "mark",
      "What happens to mail from the null sender that is not a bounce and answers no message of yours (receipts, " +
        "vacation replies, reports): deliver it with a mark, deliver it, or file it as spam.",
    ),
    spam: mailbox(
      "~/Maildir/.Spam",
      "The spam maildir, or an mbox file: `mbox:~/mail/spam`. It is created if it does not exist.",
      notEmpty,
    ),
    spam_command: program(
      "A program that files spam instead; it reads the message from standard input: " +
        '`["/usr/bin/safecat", "…/tmp", "…/new"]`.',
    ),
    inbox: mailbox(
      "",
      "The maildir, or the mbox file (`mbox:/var/mail/greg`), to which the hook delivers where nothing else " +
        "does: as the only line of a dot-qmail file, or under Postfix.",
    ),
    forward: flag(
      false,
      "Forward genuine bounces to the identity, with a proof for its own hook, instead of using `inbox`.",
    ),
    forward_sender: text(
      "",
      "Envelope sender of forwarded bounces. Default: the null sender. Set an address such as " +
        "`MAILER-DAEMON@example.org` if the next filter is not Countersign.",
      addressOrNothing,
    ),
    grace: number(
      0,
      365,
      14,
      "Number of days after `since` during which forged bounces to your plain address are only marked.",
    ),
  },
  submit: {
    check_sender: oneOf(
      ["identities", "login", "any"],
      "identities",
      "Which addresses an authenticated client may use as envelope sender and From: those of the identities; that of " +
        "its login, or for a login without a domain any address with it as local part; or any.",
    ),
    auth: text(
      "",
      "How `countersign submitd` checks passwords: `file:PATH` (written by `countersign passwd`), `dovecot:SOCKET` or " +
        "`checkpassword:PROGRAM`.",
      authBackend,
    ),
    listen: words(
      ["[::]:587"],
      "Addresses and ports on which `countersign submitd` listens for STARTTLS, such as `192.0.2.1:587`; `[::]` means all " +
        "addresses.",
      endpoints,
    ),
    listen_tls: words(["[::]:465"], "Addresses and ports on which it listens for TLS from the start.", endpoints),
    certificate: path("", "The certificate of the server, with all intermediate certificates, in PEM format."),
    key: path("", "The private key of the certificate. It must not be readable by others."),
    name: text("", "The host name in the greeting and in Received fields. Empty: the name of the machine.", host),
    user_settings: path(
      "",
      "The path of each login's settings, for virtual users: `/var/lib/countersign/{login}/config.toml`. Empty: this " +
        "file applies to all, and a login uses the identities that list it in `logins`.",
      userSettings,
    ),
    max_message: number(1000, 2_000_000_000, 50_000_000, "Maximum size of a message in bytes."),
    max_connections: number(1, 10_000, 1000, "Maximum number of connections."),
    max_per_address: number(
      1,
      10_000,
      20,
      "Maximum number of connections from an IPv4 address or an IPv6 network (/64).",
    ),
  },
  forwarding: {
    domain: text(
      "",
      "The domain of the SRS addresses under which Postfix forwards other people's mail, in place of postsrsd. " +
        "`countersign serve` creates and reverses them on the socket `map`. Empty: no forwarding.",
      domain,
    ),
    keys: path(
      "forwarding-keys",
      "The key file for them, mode 0600 or 0640. It is for forwarding only: a secret that is also in the key file of an " +
        "identity is an error, because anybody can have a forwarded address made.",
      notEmpty,
    ),
    exclude: words(
      [],
      "Sender domains that are not rewritten, such as those for which SPF lists this host: " +
        '`["example.org", "*.example.org"]`. Identities and their SRS domains are never rewritten.',
      domains,
    ),
    hash_length: number(
      4,
      20,
      8,
      "Number of hash characters in a forwarded address; the same number is required to reverse it. postsrsd uses 4.",
    ),
  },
  serve: {
    socket_folder: path(
      "",
      "The folder in which `countersign serve` creates its sockets `door`, `sign`, `lookup`, `policy` and `map`. The group of " +
        "the folder may use them.",
    ),
    contact: text(
      "",
      "An address or a web page for people whose mail is rejected by the door; it is added to the reply.",
      contact,
    ),
    moved: path(
      "",
      "A file of addresses that have moved, with an old and a new one on each line. Mail to an old address is rejected " +
        "with a reply that names the new one. The mail server must still accept the old address.",
    ),
    sign_local: flag(
      false,
      "Also sign mail that Postfix receives from sendmail(1) on this machine. **Every local account can then sign as " +
        "every identity**; `authorized_submit_users` of Postfix limits who may send.",
    ),
  },
};

/** A setting with its full name, such as `srs.max_age`. */
export interface NamedSetting extends Setting<unknown> {
  readonly name: string;
  /** The table that contains it; empty at the top. */
  readonly table: string;
}

/** All settings, in the order of the documentation. */
export const SETTINGS: readonly NamedSetting[] = [
  ...namedIn("", TOP),
  ...Object.entries({ ...REPEATED, ...TABLES }).flatMap(([table, settings]) => namedIn(table, settings)),
];

function namedIn(table: string, settings: Readonly<Record<string, Setting<unknown>>>): NamedSetting[] {
  return Object.entries(settings).map(([name, setting]) => {
    return { ...setting, table, name: table === "" ? name : `${table}.${name}` };
  });
}
