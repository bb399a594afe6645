/**
 * Who refuses mail because it knows people by the envelope sender, how it says so, and what helps. A table that can
 * grow: a row is a program or a service, a pattern with bounds, and the two sentences.
 */

/** A kind of refusal. */
export interface RefusalKind {
  /** Who says so. */
  readonly by: string;
  /** What it says, as the source of a pattern; letters in any case, white space as `\s+`. */
  readonly said: string;
  /** What to do about the address that refused. */
  readonly advice: (address: string) => string;
  /** What to look at when mail to it already leaves with the plain sender. */
  readonly plainAlready: (address: string) => string;
}

const list = {
  advice: (address: string) => `countersign plain add ${address}`,
  plainAlready: (address: string) => `posting to ${address} is plain already: is the identity subscribed?`,
};
const alias = {
  advice: (address: string) =>
    `the service knows its contacts by the envelope sender: countersign plain add ${address}`,
  plainAlready: (address: string) => `mail to ${address} is plain already: is the identity a contact of that alias?`,
};
const group = {
  advice: (address: string) => `the group admits senders by their address: countersign plain add ${address}`,
  plainAlready: (address: string) => `mail to ${address} is plain already: may the identity write to that group?`,
};

/** The first row whose words are found counts. */
export const REFUSALS: readonly RefusalKind[] = [
  // Codes of an alias service for a sender that is no contact of the alias, or none of its user's own addresses.
  { by: "SimpleLogin", said: "\\b(?:SL\\s+)?E50[59]\\b[^\\n]{0,80}", ...alias },
  { by: "SimpleLogin", said: "not\\s+a\\s+(?:known\\s+)?contact\\s+of\\s+(?:this|the|your)\\s+alias", ...alias },
  {
    by: "addy.io",
    said: "attempted\\s+(?:reply|send)(?:/\\w{1,10})?\\s+from\\s+(?:an\\s+)?(?:unverified|unauthori[sz]ed)",
    ...alias,
  },
  { by: "an alias service", said: "(?:unknown|unauthori[sz]ed|unverified)\\s+(?:envelope\\s+)?sender\\b", ...alias },
  {
    by: "an alias service",
    said: "sender\\s+(?:address\\s+)?is\\s+not\\s+(?:a\\s+)?(?:known|verified|authori[sz]ed)",
    ...alias,
  },
  {
    by: "Exchange",
    said: "RESOLVER\\.RST\\.(?:SenderNotAuthenticated|AuthRequired|NotAuthorized|RestrictedToRecipients)\\w{0,40}",
    ...group,
  },
  { by: "Exchange", said: "\\b5\\.7\\.(?:124|129|133|134)\\b[^\\n]{0,80}", ...group },
  // Mailing lists, in the words of ezmlm, Mailman 2 and 3, Sympa, Majordomo, mlmmj, LISTSERV, Google Groups.
  ...[
    "only\\s+(?:\\w+\\s+)?(?:subscribers|members)\\s+(?:may|can|are\\s+allowed)",
    "(?:subscribers?|members?)[- ]only",
    "(?:restricted|limited|open\\s+only)\\s+to\\s+(?:its\\s+|list\\s+)?(?:subscribers|members)",
    "non-?(?:members?|subscribers?)",
    "not\\s+(?:a\\s+(?:list\\s+)?subscriber|subscribed|a\\s+member|from\\s+a\\s+list\\s+member)",
    "not\\s+(?:allowed|authori[sz]ed|permitted)\\s+to\\s+(?:post|send\\s+mail)",
    "permission\\s+to\\s+post",
  ].map((said) => ({ by: "a mailing list", said, ...list })),
];
