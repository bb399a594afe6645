/**
 * Programs and services that refuse mail because they identify people by the envelope sender: the words that they use,
 * as patterns with bounded repetition, and the advice for the user.
 */

/** A kind of refusal. */
export interface RefusalKind {
  /** The program or service. */
  readonly by: string;
  /** The words that it uses, as the source of a case-insensitive pattern. */
  readonly said: string;
  /** Returns what to do about the address that refused the message. */
  readonly advice: (address: string) => string;
  /** Returns what to check if mail to the address already has the plain sender. */
  readonly plainAlready: (address: string) => string;
}

const list = {
  advice: (address: string) => `countersign plain add ${address}`,
  plainAlready: (address: string) => `mail to ${address} already has the plain sender: is the identity subscribed?`,
};
const alias = {
  advice: (address: string) =>
    `the service identifies contacts by the envelope sender: countersign plain add ${address}`,
  plainAlready: (address: string) =>
    `mail to ${address} already has the plain sender: is the identity a contact of that alias?`,
};
const group = {
  advice: (address: string) => `the group accepts only certain envelope senders: countersign plain add ${address}`,
  plainAlready: (address: string) =>
    `mail to ${address} already has the plain sender: is the identity allowed to write to that group?`,
};

/** The first matching row is used. */
export const REFUSALS: readonly RefusalKind[] = [
  // Codes of an alias service for a sender that is neither a contact of the alias nor an address of its owner.
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
