/**
 * Recognizes the wording of non-delivery notices. Each pattern is applied to the notice, which is the text before the
 * returned message. Every repetition is bounded, because the text is untrusted.
 */

/** A mail system, and wording that only it uses. */
type Form = readonly [system: string, wording: RegExp];

const RECIPIENTS = "(?:following|these)\\s+(?:\\S{1,20}\\s+){0,2}(?:recipient|addressee|address|destination|user)";
const FAILED =
  "(?:fail(?:ed|ure)|undeliverable|(?:not|n't)\\s+(?:yet\\s+)?(?:be(?:en)?\\s+)?(?:delivered|reach(?:ed)?|deliver)" +
  "|unable\\s+to\\s+deliver|(?:delivery|fatal)\\s+(?:\\w+\\s+)?(?:errors|problems)|rejected|trying\\s+to\\s+deliver)";

const FORMS: readonly Form[] = [
  ["QSBMF", /^\s{0,80}Hi\. This is the .{0,200}\bprogram\b/],
  ["Exim", /created automatically by mail delivery software\./i],
  ["Postfix", /^[ \t]{0,16}This is the .{0,60}\b(?:mail system|mail agent|delivery agent|program)\b.{0,20} at \S/im],
  ["Sendmail", /-{3} {0,2}(?:The following addresses had|Transcript of session follows|Unsent message follows)/i],
  ["Sendmail", /warning message only.{0,8}$[\s\S]{0,400}do not need to resend/im],
  ["OpenSMTPD", /This is the MAILER-DAEMON, please DO NOT REPLY/i],
  ["Exchange", /^[ \t]{0,16}(?:Generating server|Diagnostic information for administrators):/im],
  ["Exchange", /(?:did not|didn't) reach (?:the following recipient|some or all of the intended)/i],
  [
    "Gmail",
    /^[ \t]{0,16}\*\* (?:Address not found|Message (?:not delivered|blocked|too large)|Delivery incomplete) \*\*/im,
  ],
  ["a status notification", /\bThis (?:is an automatically generated |is a |)delivery status notification\b/i],
  ["Domino", /^[ \t]{0,16}Your message\b[\s\S]{0,600}\bwas not delivered to:/im],
  ["GroupWise", /The message that you sent was undeliverable/i],
  ["MDaemon", /had PERMANENT fatal delivery errors|one or more unsuccessful delivery attempts/i],
  ["iPlanet", /This report relates to a message you sent with the following header fields/i],
  ["CommuniGate", /^[ \t]{0,16}Failed to deliver to '/im],
  ["IMail", /^[ \t]{0,16}(?:Invalid final delivery userid|undeliverable to|Delivery failed \d{1,3} attempts)\b/im],
  ["KDDI", /^[ \t]{0,16}Your mail sent on: [\s\S]{0,100}Could not be delivered to:/im],
  ["a list of recipients", new RegExp(`\\b${FAILED}\\b[^.]{0,100}\\b${RECIPIENTS}`, "i")],
  ["a list of recipients", new RegExp(`\\b${RECIPIENTS}[^.]{0,100}\\b${FAILED}\\b`, "i")],
];

/** Returns the mail system that wrote this notice; undefined when it is not known. */
export function noticeOf(notice: string): string | undefined {
  const known = FORMS.find(([, wording]) => wording.test(notice))?.[0];
  if (known !== undefined) return known;
  // Some systems write the fields of RFC 3464 as plain text instead of in a MIME part.
  const fields = /^(?:Final-Recipient|Original-Recipient|Reporting-MTA):/im.test(notice) &&
    /^(?:Action:[ \t]{0,16}(?:failed|delayed|expired)|Status:[ \t]{0,16}[45]\.\d)/im.test(notice);
  return fields ? "delivery status fields" : undefined;
}

/** Returns whether the text quotes an SMTP session: commands with addresses, and a 4xx or 5xx reply. */
export function hasTranscript(text: string): boolean {
  return /^[ \t<>*-]{0,32}(?:MAIL FROM|RCPT TO)[ \t]{0,8}:/im.test(text) &&
    /(?:^|[^\d.])[45]\d\d(?:[ -]|$)/m.test(text);
}

const FAILURES = [
  "(?:could|can|was|were|has|have|is|are) ?(?:not|n't)\\s+(?:yet\\s+)?(?:be(?:en)?\\s+)?(?:delivered|sent|deliverable)",
  "unable\\s+to\\s+deliver|failed\\s+to\\s+deliver|could\\s*(?:not|n't)\\s+deliver|undeliver(?:able|ed)",
  "delivery\\s+(?:\\w+\\s+){0,4}fail(?:ed|ure)|trouble\\s+delivering|returned\\s+to\\s+(?:the\\s+)?sender",
  "unzustellbar|nicht\\s+(?:zugestellt|übermittelt)\\s+werden|n'a\\s+pas\\s+pu\\s+être\\s+(?:remis|distribu|délivr|livr)",
  "no\\s+se\\s+(?:ha\\s+podido|pudo|puede)\\s+entregar|non\\s+(?:è\\s+stato|può\\s+essere)\\s+(?:recapitat|consegnat)",
  "kon\\s+niet\\s+worden\\s+(?:bezorgd|afgeleverd)|não\\s+(?:pôde|foi\\s+possível)\\s+(?:ser\\s+)?entreg",
  "не\\s+(?:может\\s+быть|удалось|было|был)\\s+достав|недостав",
  "(?:送信|配信|配送|配達)(?:でき|不能|に失敗|エラー)|届けられません|退信|无法(?:投递|送达|发送)|未能(?:投递|送达)|投递失败",
  "nie\\s+(?:dotarł|został[aoy]?\\s+dostarczon|można\\s+(?:było\\s+)?dostarczyć)|nelze\\s+doručit|nebyl[ao]?\\s+doručen",
  "nem\\s+(?:sikerült\\s+kézbesíteni|kézbesíthető)|teslim\\s+edilem|배달(?:되지|할\\s+수\\s+없)|無法(?:傳遞|送達|寄送)",
  // Gateways that write little else.
  "\\berror:\\s+(?:invalid|unknown|no\\s+such)|\\b(?:was|were|been)\\s+(?:rejected|refused|blocked)\\b[^\\n]{0,80}\\b[45]\\d\\d\\b",
].join("|");
const FAILURE = new RegExp(FAILURES, "i");
const REASON =
  /(?:mailbox|quota)\b.{0,40}\b(?:full|exceeded)|over\s+quota|user\s+unknown|unknown\s+(?:user|recipient|host|address)|no\s+such\s+(?:user|subscriber|mailbox|recipient|address|account|person)|(?:mailbox|address|user|recipient|account|subscriber|host|domain)\b.{0,60}(?:does\s*(?:not|n't)\s+exist|not\s+found|unavailable|disabled|unknown|invalid|rejected)|invalid\s+(?:user|recipient|address|mailbox)|message\s+(?:size\s+)?(?:is\s+)?too\s+(?:large|big)|hop\s+count|timed?\s*-?out/i;
const CODE = /(?:^|[\s<([:#"])(?:[45]\d\d[ -]\D|[45]\.\d{1,3}\.\d{1,3}\b)/m;

/** Returns what accompanies failure wording: an SMTP `code`, a `reason`, or `words` alone; undefined without any. */
export function failureIn(notice: string): "code" | "reason" | "words" | undefined {
  if (!FAILURE.test(notice)) return undefined;
  return CODE.test(notice) ? "code" : REASON.test(notice) ? "reason" : "words";
}

/** Subjects that mail systems write. Replies to them and forwarded copies begin with a prefix. */
const SUBJECT =
  /^\s{0,16}(?:\[[^\]]{0,40}\]\s{0,4}|\*{2,}\w{0,20}\*{2,}\s{0,4})?(?:undeliver|undelivered|unable to deliver|mail(?: message)? delivery (?:fail|status|error|report|problem)|delivery (?:status notification|fail|error|problem|has failed|incomplete|delayed|report)|failure notice|failed mail|failed to deliver|returned mail|returned to sender|return(?:ed|ing) message|mail system error|mail (?:could not|failed|failure)|message (?:status - undeliverable|not delivered|undeliverable|delayed|delivery)|non[- ]?delivery|nondeliverable|warning: (?:message|could not send)|delayed mail|notification d'?[ée]tat|unzustellbar|nicht zustellbar|zustellung fehlgeschlagen|fehler bei der (?:nachrichten)?zustellung|non remis|[ée]chec de (?:la )?remise|no se puede entregar|no entregad|devuelto|non recapitabile|mancato recapito|onbestelbaar|niet bezorgd|não é possível entregar|não entregue|olevererbart|kan ikke leveres|kunde inte levereras|недостав|не доставлен|配信不能|配信エラー|送信エラー|未送達|配送不能|无法(?:投递|送达)|未(?:传递|送达)|無法傳遞|(?:来自\S{1,60}的)?退信|系统退信|niedostarcz|nedoručiteln|kézbesíthetetlen|teslim edilem|배달되지)/i;

/** Returns whether this is the Subject of a non-delivery notice. */
export const isFailureSubject = (subject: string): boolean => SUBJECT.test(subject);
