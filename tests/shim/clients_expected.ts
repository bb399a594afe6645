/**
 * What must become of every recorded call of a real mail client: a row a call, by the label of its run.
 *
 * The user is me@example.org with srs.example.org. Only mail whose From and given sender are both theirs, and which
 * was not relayed before, is signed; of what they re-send only the envelope sender is. All else goes on with the sender
 * that the client gave, or with none.
 */

/** A call that sends. */
export interface Sent {
  readonly exit: 0;
  /** `srs`: signed for me@example.org. `given`: the sender is the client's own, and nothing is signed. */
  readonly scheme: "srs" | "none";
  /** Does it get a tag? */
  readonly tagged: boolean;
  /** With `given`: the address, `<>` for the null sender, undefined when no `-f` goes on. */
  readonly sender?: string;
  /** The recipients that go on, in this order. */
  readonly to: readonly string[];
  /** DSN arguments that go on. */
  readonly dsn: readonly string[];
}

/** A call that is refused: nothing is sent, one line names the thing. */
export interface Refused {
  readonly exit: 64;
  readonly says: RegExp;
}

export type Row = Sent | Refused;

const signed = (...to: string[]): Sent => ({ exit: 0, scheme: "srs", tagged: true, to, dsn: [] });
const resentBySelf = (...to: string[]): Sent => ({ ...signed(...to), tagged: false });
const given = (sender: string, ...to: string[]): Sent => ({
  exit: 0,
  scheme: "none",
  tagged: false,
  sender,
  to,
  dsn: [],
});
const fromNull = (...to: string[]): Sent => given("<>", ...to);
const noSender = (...to: string[]): Sent => ({ exit: 0, scheme: "none", tagged: false, to, dsn: [] });
const asking = (dsn: string, sent: Sent): Sent => ({ ...sent, dsn: dsn.split(" ") });
const refused = (says: RegExp): Refused => ({ exit: 64, says });

/** Most recordings write to this one. */
const TO = "to1@a.example";
const toOne = signed(TO);

/** Rows under labels that begin with the same words. */
function under<Value>(front: string, rows: Record<string, Value>): Record<string, Value> {
  return Object.fromEntries(Object.entries(rows).map(([label, row]) => [front + label, row]));
}

/** mutt and neomutt from the command line: From is me@example.org, `--` before the recipients. */
const MUTT: Record<string, Row> = {
  "bare sendmail no args": toOne,
  "use_envelope_from": toOne,
  "envelope_from_address": given("bounce+x@b.example", TO),
  "envelope_from_address only, no use_envelope_from": toOne,
  "envelope_from <>": fromNull(TO), // spelt `-f @`
  "envelope_from empty": toOne,
  "envelope_from -@x": given("-oQ/tmp@x.example", TO), // begins with a dash, yet is the value of -f
  "two From": noSender(TO), // neither is ours
  "args -oem -oi": toOne,
  "args with -t": toOne, // To names the same recipient once more
  "args with -- extra": signed("archive@x.example", "other@x.example", TO),
  "args quoted": refused(/Name\\?"/), // mutt splits at spaces only, so pieces of a quoted name become recipients
  "tilde path": toOne,
  "PATH lookup": toOne,
  "dsn_notify": asking("-N failure,delay -R hdrs", toOne),
  "dsn never/full": asking("-N never -R full", toOne),
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
  "duplicate recipients": signed(TO, "TO1@a.example"), // two mailboxes, for all that we know
  "send-hook sendmail": toOne, // `-X hooked`: no such file is made
  "send-hook envelope_from": given("SRS0=HHHH=TT=a=b@s.example", TO),
  "my_hdr Return-Path/X": signed(TO, "me@b.example"),
};

/** The same two with a person at the screen; what the recorder answered is the label, the call is always one. */
const UI: Record<string, Row> = Object.fromEntries([
  ...["0", "1", "64", "67", "75", "77", "78", "100", "111", "126", "127", "255"].map((code) => `rc${code} wait0`),
  ...["rc75 no output", "rc0 with stderr", "killed by signal 9", "rc75 wait-1", "wait2 slow 5s rc75", "default wait"],
  "rc0 reads nothing",
].map((label) => [label, signed("to@a.example")]));

const NEW = ["new@n.example", "two@n.example"];
const resent = resentBySelf(...NEW);
/** A message of somebody else sent on: Resent-* on top, then Received, a Bcc and a Return-Path. */
const BOUNCE: Record<string, Row> = {
  "bounce": resent,
  "bounce no env from": resent,
  "bounce env addr": given("bnc@b.example", ...NEW),
  "bounce with send-hook": resent,
  "bounce rc75": resent,
};
const REPLY: Record<string, Row> = {
  "reply": signed("sender@s.example"),
  "reply reply-hook/folder-hook": given("rep@r.example", "sender@s.example"),
  "reply reverse_name use_env": signed("sender@s.example"),
};

/** `-i [-f me] -- recipients`; where From is missing it becomes ours, and we sign. */
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
  "-- args": signed("-f", "me@example.org", "Name", TO), // it took the words behind `--` for recipients, so do we
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
  "--envelope-sender=addr": given("bounce@b.example", ...PATCH),
  "--envelope-sender=auto": signed(...PATCH),
  "--sendmail-cmd path": signed(...PATCH),
  "--sendmail-cmd with args+quotes": refused(/-a/), // msmtp's `-a account`
  "--smtp-server=/path": given("bounce@b.example", ...PATCH),
  "--smtp-server-option": signed(...PATCH), // `-Xlog`
  "bcc": signed(...PATCH, "secret@b.example"),
  "8bit+transfer-encoding=8bit": signed(...PATCH),
  "rc75 sendmail-cmd": signed(...PATCH),
  "rc78 default": signed(...PATCH),
  "rc75 no read": signed(...PATCH), // nothing was recorded of the message: an empty one
};

/** `-oi -f root@vm -t` without a From field: the sender becomes the author, and neither is ours. */
const MAILUTILS: Record<string, Row> = {
  "default": given("root@vm", TO),
  "cc bcc via -a": given("root@vm", TO, "cc@c.example", "bcc@b.example"),
  "-r": given("Me", TO), // `-r "Me <x@y>"` becomes `-f Me`, a local user
  "mailer url": given("root@vm", TO),
  "mailer prog": refused(/Sender/), // control characters, from freed memory
  "rc75": given("root@vm", TO),
  "-t": given("root@vm", "t@t.example", "b@b.example"),
  "utf8": given("root@vm", TO),
};

/** `-t -i`, CRLF in the header; no From: ours. */
const PHP: Record<string, Row> = {
  "default": signed("to@a.example", "to2@a.example"),
  "sendmail_path": given("bounce@b.example", "to@a.example", "b@b.example"),
  "rc75": signed("to@a.example"),
  "rc64": signed("to@a.example"),
};

const FORWARD = ["f1@x.example", "f2@x.example"];
/** Programs that forward: From is a stranger, so nothing is signed. */
const FILTERS: Record<string, Row | Row[]> = {
  "procmail: ! action": noSender(...FORWARD),
  "procmail: ! -f": [noSender("c@d.example"), given("ARG1", "f1@x.example")], // `-oi -t`; then `-f ARG1`
  "procmail: ! rc75": noSender(...FORWARD),
  "maildrop: ! action": fromNull(...FORWARD), // an empty -f
  "maildrop: ! rc75": fromNull(...FORWARD),
  "maildrop -f": fromNull(...FORWARD),
  "maildrop: SENDMAIL var": fromNull("f1@x.example"),
};

/** nmh sends twice when there is a Bcc: first To and Cc (a group without members among them), then Bcc. */
const nmh: Row[] = [signed(TO, "cc@c.example"), signed("bcc@b.example")];
const smtp = refused(/-bs/); // SMTP on standard input, and no transport.real

const OTHERS: Record<string, Row | Row[]> = {
  "swaks pipe/-bs": smtp,
  "nmh: smtp via sendmail -bs": smtp,
  "nmh: pipe default (-mts sendmail/pipe)": nmh,
  "nmh: pipe Envelope-From": nmh,
  "nmh: pipe rc75": nmh,
  "cron": noSender("ops@o.example", "ops2@o.example"), // two in one word; From is another's
  "alpine": noSender("to@a.example"), // From is root@example.org, who is not me
  "aerc": signed("to@a.example", "cc@c.example", "bcc@b.example"), // CRLF, and Bcc in the header without -t
};

/** All rows, by the label of the run; an array: one for each call of the run. */
export const EXPECTED: Record<string, Row | Row[]> = {
  ...under("mutt: ", MUTT),
  // `-f a@b c@d -- to`: the second address is a recipient then, and so is `--`.
  "mutt: envelope_from two addrs": refused(/--/),
  "mutt: draft -H with own headers": given("other@x.example", "t@t.example", "c@c.example", "b@b.example"),
  ...under("neomutt: ", MUTT),
  "neomutt: envelope_from two addrs": given("a@b.example", TO), // it gives the first only
  ...under("mutt ui: ", UI),
  ...under("neomutt ui: ", UI),
  ...under("mutt ", { ...BOUNCE, ...REPLY }),
  "mutt bounce dsn": asking("-N failure -R full", resent),
  "mutt resend": given("sender@s.example", "me@example.org", "third@t.example", "hidden@h.example"),
  ...under("neomutt ", { ...BOUNCE, ...REPLY }),
  ...under("s-nail: ", S_NAIL),
  ...under("bsd-mailx: ", BSD_MAILX),
  ...under("git: ", GIT),
  ...under("mailutils: ", MAILUTILS),
  ...under("php: ", PHP),
  ...FILTERS,
  ...OTHERS,
};
