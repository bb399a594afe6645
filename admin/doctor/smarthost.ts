/** Checks the submission server: the password and CA files, and the login. */
import { printServer, serverOf, type Settings } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { readCertificates, readPassword } from "../../io/system/load.ts";
import type { Finding, TextFile } from "./finding.ts";
import { findingOf } from "./settings.ts";

/** Time limit for the login, in seconds. */
const TIMEOUT_SECONDS = 30;

/** Logs in without sending mail; adds a note if the program may not connect to the server. */
export async function checkSmarthost(
  { file, text }: TextFile,
  { transport }: Settings,
): Promise<{ findings: Finding[]; note?: string }> {
  if (transport.via !== "smtp") return { findings: [] };
  const { user, password_file, ca } = transport;
  const files = [
    ...fileCheck(user === "" ? "" : password_file, readPassword),
    ...fileCheck(ca, readCertificates),
  ];
  if (files.length > 0) return { findings: files };
  const server = printServer(serverOf(transport));
  if (Deno.permissions.querySync({ name: "net", host: server }).state !== "granted") {
    return {
      findings: [],
      note: `${server} was not checked: this program has no permission to connect to it`,
    };
  }
  try {
    const { probe } = await import("../../io/transport/smtp.ts");
    await probe({ ...transport, timeout: TIMEOUT_SECONDS });
    return { findings: [] };
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    const line = text.split("\n").findIndex((one) => /^\s*(?:transport\.)?host\s*=/.test(one)) + 1;
    const fix = error.kind === "permission"
      ? `Check transport.user and the password in ${password_file}`
      : "Check transport.host, port, security and ca, and whether the server is reachable";
    return { findings: [{ what: error.message, where: { file, line }, why: "Nothing can be sent.", fix }] };
  }
}

function fileCheck(path: string, read: (path: string) => string): Finding[] {
  if (path === "") return [];
  try {
    read(path);
    return [];
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return [{ ...findingOf(error, path), why: "Nothing can be sent." }];
  }
}
