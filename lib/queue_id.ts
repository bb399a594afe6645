/** Finds the name that a mail server gave to a message in its reply to the end of the data, so that its log can be searched. */

/** The wordings, the most specific first. Each has the name in its only group. */
const WORDINGS: readonly RegExp[] = [
  /\bqueued as ([\w.-]{1,64})/i, // Postfix
  /\bInternalId=(\d{1,20})/i, // Exchange
  /\bid=([\w.-]{1,64})/, // Exim
  /\bqp (\d{1,20})\b/, // qmail
  /\bOK\s{1,4}\d{10}\s{1,4}([\w.-]{1,64}) - gsmtp/, // Gmail
  /\b(?!\d\.\d{1,3}\.\d)([\w.-]{5,64}) Message accepted for delivery/i, // Sendmail, OpenSMTPD
];

/** Returns the name of the message in the queue of the server; undefined if the reply does not contain one. */
export function queueIdIn(reply: string): string | undefined {
  for (const wording of WORDINGS) {
    const found = wording.exec(reply)?.[1];
    if (found !== undefined) return found.replace(/[.,;]+$/, "");
  }
  return undefined;
}
