/** What an attacker puts into a message so that two servers disagree about its end. */

/** Content with what some servers take for its end, and a message behind it. */
export const SMUGGLED: [name: string, end: string, accepted: boolean][] = [
  ["\\n.\\n", "\n.\n", true],
  ["\\n.\\r\\n", "\n.\r\n", true],
  ["\\r\\n.\\n", "\r\n.\n", true],
  ["\\r.\\r\\n", "\r.\r\n", false],
  ["\\r.\\r", "\r.\r", false],
  ["\\r\\n.\\r", "\r\n.\r", false],
  ["\\r\\n\\0.\\r\\n", "\r\n\0.\r\n", false],
];
