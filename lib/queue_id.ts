/** Finds the queue ID of a message in the server's reply to the end of the data, so that its log can be searched. */

/** The wordings, the most specific first. Each has the ID in its only group. */
const WORDINGS: readonly RegExp[] = [
  /\bqueued as ([\w.-]{1,64})/i, // Postfix
  /\bInternalId=(\d{1,20})/i, // Exchange
  /\bid=([\w.-]{1,64})/, // Exim
  /\bqp (\d{1,20})\b/, // qmail
  /\bOK\s{1,4}\d{10}\s{1,4}([\w.-]{1,64}) - gsmtp/, // Gmail
  /\b(?!\d\.\d{1,3}\.\d)([\w.-]{5,64}) Message accepted for delivery/i, // Sendmail, OpenSMTPD
];

/** Returns the queue ID of the message; undefined if the reply does not contain one. */
export function queueIdIn(reply: string): string | undefined {
  for (const wording of WORDINGS) {
    const found = wording.exec(reply)?.[1];
    if (found !== undefined) return found.replace(/[.,;]+$/, "");
  }
  return undefined;
}
