/** Checks the submission server: the password and CA files, and the login. */
import { type Account, accountsIn } from "../../lib/settings/accounts.ts";
import { lineOf, printServer, serverOf, type Settings } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { readCertificates, readPassword } from "../../io/system/load.ts";
import type { Finding, TextFile } from "./finding.ts";
import { findingOf } from "./settings.ts";

/** Time limit for the login, in seconds. */
const TIMEOUT_SECONDS = 30;

/** Logs in without sending mail; adds a note for a server to which the program may not connect. */
export async function checkSmarthost(
  file: TextFile,
  settings: Settings,
): Promise<{ findings: Finding[]; notes: string[] }> {
  const checked = { findings: [] as Finding[], notes: [] as string[] };
  for (const [nth, account] of accountsIn(settings).entries()) {
    const { findings, note } = await checkAccount(file, account, nth);
    checked.findings.push(...findings);
    if (note !== undefined) checked.notes.push(note);
  }
  return checked;
}

async function checkAccount(
  { file, text }: TextFile,
  account: Account,
  nth: number,
): Promise<{ findings: Finding[]; note?: string }> {
  const { user, password_file, ca, table } = account;
  const files = [
    ...fileCheck(user === "" ? "" : password_file, readPassword),
    ...fileCheck(ca, readCertificates),
  ];
  if (files.length > 0) return { findings: files };
  const server = printServer(serverOf(account));
  if (Deno.permissions.querySync({ name: "net", host: server }).state !== "granted") {
    return {
      findings: [],
      note: `${server} was not checked: this program has no permission to connect to it`,
    };
  }
  try {
    const { probe } = await import("../../io/transport/smtp.ts");
    await probe({ ...account, timeout: TIMEOUT_SECONDS });
    return { findings: [] };
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    const line = lineOf(text, table, "host", nth);
    const fix = error.kind === "permission"
      ? `Check ${table}.user and the password in ${password_file}`
      : `Check ${table}.host, port, security and ca, and whether the server is reachable`;
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
