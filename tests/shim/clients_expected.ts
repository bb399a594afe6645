/**
 * The expected result of every recorded call of a real mail client, by the label of its run.
 *
 * The user is me@example.org with srs.example.org. A message is signed only if its author and its envelope sender are
 * the user's and it was not relayed before; of a message that the user re-sends only the envelope sender is signed.
 * Everything else is passed on with the sender that the client gave, or without one.
 */

/** A call that sends a message. */
export interface Sent {
  readonly exit: 0;
  /** `srs`: signed for me@example.org. `none`: nothing is signed, and the client's sender is kept. */
  readonly scheme: "srs" | "none";
  /** Whether it gets a tag. */
  readonly tagged: boolean;
  /** With `none`: the address, `<>` for the null sender, undefined if there is no `-f`. */
  readonly sender?: string;
  /** The recipients that are passed on, in this order. */
  readonly to: readonly string[];
  /** The DSN arguments that are passed on. */
  readonly dsn: readonly string[];
}

/** A call that is rejected: nothing is sent, and one line names the problem. */
export interface Rejected {
  readonly exit: 64;
  readonly says: RegExp;
}

export type Row = Sent | Rejected;

const signed = (...to: string[]): Sent => ({ exit: 0, scheme: "srs", tagged: true, to, dsn: [] });
const resentBySelf = (...to: string[]): Sent => ({ ...signed(...to), tagged: false });
const unsigned = (sender: string, ...to: string[]): Sent => ({
  exit: 0,
  scheme: "none",
  tagged: false,
  sender,
  to,
  dsn: [],
});
const fromNull = (...to: string[]): Sent => unsigned("<>", ...to);
const noSender = (...to: string[]): Sent => ({ exit: 0, scheme: "none", tagged: false, to, dsn: [] });
const withDsn = (dsn: string, sent: Sent): Sent => ({ ...sent, dsn: dsn.split(" ") });
const rejected = (says: RegExp): Rejected => ({ exit: 64, says });

/** The recipient of most recordings. */
const TO = "to1@a.example";
const toOne = signed(TO);

/** These rows with a common prefix of their labels. */
function withPrefix<Value>(prefix: string, rows: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(rows).map(([label, row]) => [prefix + label, row]));
}

/** mutt and neomutt from the command line: From is me@example.org, `--` before the recipients. */
const MUTT: Record<string, Row> = {
  "bare sendmail no args": toOne,
  "use_envelope_from": toOne,
  "envelope_from_address": unsigned("bounce+x@b.example", TO),
  "envelope_from_address only, no use_envelope_from": toOne,
  "envelope_from <>": fromNull(TO), // spelt `-f @`
  "envelope_from empty": toOne,
  "envelope_from -@x": unsigned("-oQ/tmp@x.example", TO), // begins with a dash, but is the value of -f
  "two From": noSender(TO), // neither is the user's
  "args -oem -oi": toOne,
  "args with -t": toOne, // To has the same recipient
  "args with -- extra": signed("archive@x.example", "other@x.example", TO),
  "args quoted": rejected(/Name\\?"/), // mutt splits at spaces only, so pieces of a quoted name become recipients
  "tilde path": toOne,
  "PATH lookup": toOne,
  "dsn_notify": withDsn("-N failure,delay -R hdrs", toOne),
  "dsn never/full": withDsn("-N never -R full", toOne),
  "bcc cc, write_bcc default": signed(TO, "to2@a.example", "cc@c.example", "bcc@b.example"),
  "write_bcc=yes": signed(TO, "cc@c.example", "bcc@b.example"),
  "bcc only": signed("bcc@b.example"),
  "8bit body default": toOne,
  "8bit body allow_8bit use_8bitmime": toOne,
  "group syntax": signed("a@a.example", "b@b.example"),
  "quoted local part": signed("johndoe@a.example", "-oQx@a.example"),
  "addr starting with dash after --": signed("-oX@a.example"),
  "IDN to": signed("user@xn--bcher-kva.example"),
  "unqualified": signed("root@example.org"),
  "duplicate recipients": signed(TO, "TO1@a.example"), // these could be two mailboxes
  "send-hook sendmail": toOne, // `-X hooked`: this file is not created
  "send-hook envelope_from": unsigned("SRS0=HHHH=TT=a=b@s.example", TO),
  "my_hdr Return-Path/X": signed(TO, "me@b.example"),
};

/** mutt and neomutt with a user interface. The label says how the recorder answered; the call is always the same. */
const UI: Record<string, Row> = Object.fromEntries([
  ...["0", "1", "64", "67", "75", "77", "78", "100", "111", "126", "127", "255"].map((code) => `rc${code} wait0`),
  ...["rc75 no output", "rc0 with stderr", "killed by signal 9", "rc75 wait-1", "wait2 slow 5s rc75", "default wait"],
  "rc0 reads nothing",
].map((label) => [label, signed("to@a.example")]));

const NEW = ["new@n.example", "two@n.example"];
const resent = resentBySelf(...NEW);
/** A message of somebody else that is re-sent: Resent-* on top, then Received, a Bcc and a Return-Path. */
const BOUNCE: Record<string, Row> = {
  "bounce": resent,
  "bounce no env from": resent,
  "bounce env addr": unsigned("bnc@b.example", ...NEW),
  "bounce with send-hook": resent,
  "bounce rc75": resent,
};
const REPLY: Record<string, Row> = {
  "reply": signed("sender@s.example"),
  "reply reply-hook/folder-hook": unsigned("rep@r.example", "sender@s.example"),
  "reply reverse_name use_env": signed("sender@s.example"),
};

/** `-i [-f me] -- recipients`; a missing From field becomes the user's address, and the message is signed. */
const S_NAIL: Record<string, Row> = {
  "default": toOne,
  "-r from": toOne,
  "-Sfrom": toOne,
  "-Sfrom -Ssender": toOne, // a Sender field is not the author
  '-r without arg -r ""': toOne,
  "mta path": toOne,
  "mta-arguments": toOne, // `-X "a b"`
  "mta-argv0": toOne, // called as foo
  "cc bcc": signed(TO, "to2@a.example", "cc@c.example", "bcc@b.example"),
  "-t": signed("t@t.example", "b@b.example"),
  "rc75": toOne,
  "rc75 sendwait": toOne,
  "rc0 stderr sendwait": toOne,
  "metoo verbose": toOne,
  "addr -x": signed(TO, '"-x"@a.example'),
  "utf8": toOne,
};

/** `-i -t`: recipients from the header, in the order To, Cc, Bcc. */
const BSD_MAILX: Record<string, Row> = {
  "default": toOne,
  "cc bcc": signed(TO, "cc@c.example", "bcc@b.example"),
  "-r": toOne,
  "-- args": signed("-f", "me@example.org", "Name", TO), // it took the words after `--` for recipients, and so does the shim
  "-a hdr": toOne,
  "-I -i dot": toOne,
  "rc75": toOne,
  "set sendmail": toOne,
  "addr -x": signed("-oX@a.example"),
  "utf8": toOne,
};

const PATCH = [TO, "to2@a.example", "me@example.org", "cc1@c.example"];
/** No `--`; From is me@example.org. */
const GIT: Record<string, Row> = {
  "default /usr/sbin/sendmail": signed(...PATCH),
  "--envelope-sender=addr": unsigned("bounce@b.example", ...PATCH),
  "--envelope-sender=auto": signed(...PATCH),
  "--sendmail-cmd path": signed(...PATCH),
  "--sendmail-cmd with args+quotes": rejected(/-a/), // msmtp's `-a account`
  "--smtp-server=/path": unsigned("bounce@b.example", ...PATCH),
  "--smtp-server-option": signed(...PATCH), // `-Xlog`
  "bcc": signed(...PATCH, "secret@b.example"),
  "8bit+transfer-encoding=8bit": signed(...PATCH),
  "rc75 sendmail-cmd": signed(...PATCH),
  "rc78 default": signed(...PATCH),
  "rc75 no read": signed(...PATCH), // no message was recorded, so it is empty
};

/** `-oi -f root@vm -t` without a From field: the sender becomes the author, who is not the user. */
const MAILUTILS: Record<string, Row> = {
  "default": unsigned("root@vm", TO),
  "cc bcc via -a": unsigned("root@vm", TO, "cc@c.example", "bcc@b.example"),
  "-r": unsigned("Me", TO), // `-r "Me <x@y>"` becomes `-f Me`, a local user
  "mailer url": unsigned("root@vm", TO),
  "mailer prog": rejected(/Sender/), // control characters, from freed memory
  "rc75": unsigned("root@vm", TO),
  "-t": unsigned("root@vm", "t@t.example", "b@b.example"),
  "utf8": unsigned("root@vm", TO),
};

/** `-t -i` and CRLF in the header; the missing From field becomes the user's address. */
const PHP: Record<string, Row> = {
  "default": signed("to@a.example", "to2@a.example"),
  "sendmail_path": unsigned("bounce@b.example", "to@a.example", "b@b.example"),
  "rc75": signed("to@a.example"),
  "rc64": signed("to@a.example"),
};

const FORWARD = ["f1@x.example", "f2@x.example"];
/** Programs that forward: From is a stranger, so nothing is signed. */
const FILTERS: Record<string, Row | Row[]> = {
  "procmail: ! action": noSender(...FORWARD),
  "procmail: ! -f": [noSender("c@d.example"), unsigned("ARG1", "f1@x.example")], // `-oi -t`; then `-f ARG1`
  "procmail: ! rc75": noSender(...FORWARD),
  "maildrop: ! action": fromNull(...FORWARD), // an empty -f
  "maildrop: ! rc75": fromNull(...FORWARD),
  "maildrop -f": fromNull(...FORWARD),
  "maildrop: SENDMAIL var": fromNull("f1@x.example"),
};

/** nmh sends twice when there is a Bcc: first To and Cc (a group without members among them), then Bcc. */
const nmh: Row[] = [signed(TO, "cc@c.example"), signed("bcc@b.example")];
const smtp = rejected(/-bs/); // SMTP on standard input, and no transport.real

const OTHERS: Record<string, Row | Row[]> = {
  "swaks pipe/-bs": smtp,
  "nmh: smtp via sendmail -bs": smtp,
  "nmh: pipe default (-mts sendmail/pipe)": nmh,
  "nmh: pipe Envelope-From": nmh,
  "nmh: pipe rc75": nmh,
  "cron": noSender("ops@o.example", "ops2@o.example"), // two in one word; From is somebody else
  "alpine": noSender("to@a.example"), // From is root@example.org, not the user
  "aerc": signed("to@a.example", "cc@c.example", "bcc@b.example"), // CRLF, and Bcc in the header without -t
};

/** All rows, by the label of the run; an array has one row for each call of the run. */
export const EXPECTED: Record<string, Row | Row[]> = {
  ...withPrefix("mutt: ", MUTT),
  // `-f a@b c@d -- to`: the second address is read as a recipient, and so is `--`.
  "mutt: envelope_from two addrs": rejected(/--/),
  "mutt: draft -H with own headers": unsigned("other@x.example", "t@t.example", "c@c.example", "b@b.example"),
  ...withPrefix("neomutt: ", MUTT),
  "neomutt: envelope_from two addrs": unsigned("a@b.example", TO), // it passes only the first
  ...withPrefix("mutt ui: ", UI),
  ...withPrefix("neomutt ui: ", UI),
  ...withPrefix("mutt ", { ...BOUNCE, ...REPLY }),
  "mutt bounce dsn": withDsn("-N failure -R full", resent),
  "mutt resend": unsigned("sender@s.example", "me@example.org", "third@t.example", "hidden@h.example"),
  ...withPrefix("neomutt ", { ...BOUNCE, ...REPLY }),
  ...withPrefix("s-nail: ", S_NAIL),
  ...withPrefix("bsd-mailx: ", BSD_MAILX),
  ...withPrefix("git: ", GIT),
  ...withPrefix("mailutils: ", MAILUTILS),
  ...withPrefix("php: ", PHP),
  ...FILTERS,
  ...OTHERS,
};
