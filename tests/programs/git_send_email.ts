/** git send-email with a login, for tests of submission. */

/** Who sends the patch. */
export const COMMITTER = {
  ...{ GIT_COMMITTER_NAME: "Greg", GIT_COMMITTER_EMAIL: "greg@example.org" },
  ...{ GIT_AUTHOR_NAME: "Greg", GIT_AUTHOR_EMAIL: "greg@example.org" },
};

/** A patch of greg. */
export function patchMail(): string {
  return "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: Greg <greg@example.org>\n" +
    "Date: Sat, 28 Nov 2026 00:00:00 +0000\nSubject: [PATCH] One\n\n---\n-- \n2.39\n";
}

/** The command that sends it as greg to a server on localhost. @param encryption `tls` for STARTTLS, `ssl` for TLS */
export function sendEmail(port: number, encryption: "tls" | "ssl", ca: string, patch: string): string[] {
  return [
    ...["git", "send-email", "--from=Greg <greg@example.org>", "--to=ann@example.net", "--confirm=never"],
    ...["--smtp-server=localhost", `--smtp-server-port=${port}`, `--smtp-encryption=${encryption}`],
    ...["--smtp-user=greg", "--smtp-pass=secret", `--smtp-ssl-cert-path=${ca}`, "--quiet", patch],
  ];
}
