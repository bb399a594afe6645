/**
 * Demonstrates the programs in a temporary folder: the shim sends a message, and the hook receives a genuine bounce and
 * a forged one. Mail is sent to a maildir, so that neither a mail server nor configuration is needed.
 */
import { qmailLocal } from "./rig/qmail.ts";
import { Home } from "./rig/home.ts";
import { fieldOf, qsbmf } from "./rig/mails.ts";

using home = new Home();
home.settings(`[transport]
via = "maildir"
maildir = "~/out"

[incoming]
spam = "~/Maildir/.Spam"
`);
Deno.mkdirSync(`${home.path}/Maildir`);
// As in contrib/qmail: the SRS domain is a virtual domain of the user, srs.example.org:greg-srs
const hook = new URL("../hooks/incoming", import.meta.url).pathname;
home.write(".qmail-srs-default", `|${hook}\n./Maildir/\n`);
home.write(".qmail", `|${hook}\n./Maildir/\n`);

const say = (line = "") => console.log(line);
const show = (mail: string, ...names: string[]) => names.forEach((name) => say(`     ${name}: ${fieldOf(mail, name)}`));
const expect = (right: boolean, what: string) => {
  if (right) return;
  console.error(`demo: ${what}`);
  Deno.exit(1);
};

say("1. Outgoing: greg@example.org writes to nobody@mx.example.net. mutt would run this command:");
say("     shim -- nobody@mx.example.net");
const written = "From: Greg <greg@example.org>\nTo: nobody@mx.example.net\nSubject: Lunch?\n\nAt one?\n";
const sent = await home.shim(["--", "nobody@mx.example.net"], written);
expect(sent.code === 0, sent.stderr);
const [out] = home.mails("out") as [string];
say("   The message was sent with an envelope sender and a tag that only the holder of greg's key can create:");
show(out, "Return-Path", "X-Msgauth");
const sender = fieldOf(out, "Return-Path").replace(/[<>]/g, "");

say();
say("2. Incoming: the mailbox does not exist, and the bounce is sent to that address:");
say(`     MAIL FROM:<>  RCPT TO:<${sender}>`);
const bounce = qsbmf(sender, out);
const genuine = await qmailLocal(
  home,
  { sender: "", ext: `srs-${sender.split("@")[0]}`, host: "srs.example.org" },
  bounce,
);
expect(genuine.end === "success" && home.mails("Maildir").length === 1, "the genuine bounce is not in the inbox");
say("   It is genuine and was delivered to the inbox, Maildir/new:");
show(home.mails("Maildir")[0]!, "Subject", "To");

say();
say("3. Incoming: a bounce of a message that greg never sent arrives at the plain address:");
say("     MAIL FROM:<>  RCPT TO:<greg@example.org>");
const lie = qsbmf(
  "greg@example.org",
  "From: greg@example.org\nMessage-ID: <lie@spam.example>\nSubject: Pills\n\nBuy!\n",
);
const forged = await qmailLocal(home, { sender: "", ext: "", host: "example.org" }, lie);
expect(
  forged.end === "success" && home.mails("Maildir/.Spam").length === 1,
  "the forged bounce is not in the spam maildir",
);
expect(home.mails("Maildir").length === 1, "the forged bounce is in the inbox");
say("   It is forged and was delivered to the spam folder, Maildir/.Spam/new:");
show(home.mails("Maildir/.Spam")[0]!, "X-Countersign");

say();
say("The log:");
say(home.read(".local/state/countersign/log").trimEnd().split("\n").map((line) => `   ${line}`).join("\n"));
