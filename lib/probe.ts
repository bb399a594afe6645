/**
 * Names the messages and sessions with which `countersign doctor` tests the programs, so that the log marks their lines
 * and reports leave them out.
 */

/** What marks the line of a test in the log. */
export const PROBE = "doctor";

/** The name with which a test session calls its client. No host can have it (RFC 6761 section 6.4). */
export const PROBE_HOST = "doctor.invalid";

/**
 * Returns the Message-ID of a test message, with angle brackets.
 *
 * @param unique a UUID
 */
export const probeMessageId = (unique: string, domain: string): string => `<doctor.${unique}@${domain}>`;

/** Returns whether a Message-ID, with or without angle brackets, is one of {@link probeMessageId}. */
export const isProbeMessageId = (id: string): boolean =>
  /^<?doctor\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}@/.test(id);
