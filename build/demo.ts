/**
 * The main job in a temporary folder: a message goes out through the shim, a
 * genuine bounce and a forged one come in through the hook. Mail leaves into a
 * maildir; no mail server, no set-up.
 */
import { qmailLocal } from "../tests/qmail.ts";
import { fieldOf, Home, qsbmf } from "../tests/rig.ts";

using home = new Home();
home.settings(`[transport]
via = "maildir"
maildir = "~/out"

[incoming]
spam = "~/Maildir/.Spam"
`);
Deno.mkdirSync(`${home.path}/Maildir`);
// What contrib/qmail says: the SRS domain is a virtual domain of the user's own, srs.example.org:greg-srs
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

say("1. Out: greg@example.org writes to nobody@mx.example.net; mutt would call the shim like this:");
say("     shim -- nobody@mx.example.net");
const written = "From: Greg <greg@example.org>\nTo: nobody@mx.example.net\nSubject: Lunch?\n\nAt one?\n";
const sent = await home.shim(["--", "nobody@mx.example.net"], written);
expect(sent.code === 0, sent.stderr);
const [out] = home.mails("out") as [string];
say("   It left with an envelope sender and a tag that only greg could have made:");
show(out, "Return-Path", "X-Msgauth");
const sender = fieldOf(out, "Return-Path").replace(/[<>]/g, "");

say();
say("2. In: there is no such mailbox, and the bounce comes to that sender:");
say(`     MAIL FROM:<>  RCPT TO:<${sender}>`);
const bounce = qsbmf(sender, out);
const genuine = await qmailLocal(
  home,
  { sender: "", ext: `srs-${sender.split("@")[0]}`, host: "srs.example.org" },
  bounce,
);
expect(genuine.end === "success" && home.mails("Maildir").length === 1, "the genuine bounce is not in the inbox");
say("   It is genuine, and in the inbox: Maildir/new");
show(home.mails("Maildir")[0]!, "Subject", "To");

say();
say("3. In: a bounce of something that greg never wrote comes to his plain address:");
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
say("   It answers nothing of his, and is in the spam folder: Maildir/.Spam/new");
show(home.mails("Maildir/.Spam")[0]!, "X-Countersign");

say();
say("What the log says:");
say(home.read(".local/state/countersign/log").trimEnd().split("\n").map((line) => `   ${line}`).join("\n"));
