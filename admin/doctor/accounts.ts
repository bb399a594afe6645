/** Checks the accounts: files, login, and whether the server accepts the sender that mail of each identity gets. */
import { type Address, canonical, parseAddress } from "../../lib/address.ts";
import { Fail, quote } from "../../lib/fail.ts";
import { type Account, accountsIn } from "../../lib/settings/accounts.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import { lineOf, printServer, serverOf, type Settings } from "../../lib/settings/parse.ts";
import type { Scheme } from "../../lib/settings/schema.ts";
import { readCertificates, readPassword } from "../../io/system/load.ts";
import { settingOf } from "../../io/transport/credentials.ts";
import { Rejected } from "../../io/transport/rejected.ts";
import { accountOf } from "../../outgoing/account.ts";
import { chooseSender, sign } from "../../outgoing/sender.ts";
import type { Finding, TextFile } from "./finding.ts";
import { findingOf } from "./settings.ts";

/** Time limit for a session, in seconds. */
const TIMEOUT_SECONDS = 60;
/** Maximum number of identities whose senders are tried in one session. */
const MAX_IDENTITIES = 10;
/** A recipient that only general rules match. */
const ANYBODY = parseAddress("anybody@doctor.invalid");

/** Programs that run other programs. */
const ANY_PROGRAM = /\/(?:env|(?:ba|da|k|z|fi|mk)?sh|busybox|perl|python[\d.]*|ruby|node|deno)$/;

/** What the checks share. */
interface AccountsContext {
  readonly file: TextFile;
  readonly settings: Settings;
  readonly accounts: readonly Account[];
  readonly now: Date;
  readonly findings: Finding[];
  readonly notes: string[];
}

/**
 * Logs in to each account and tests the senders of its identities, without sending mail. Adds a note for a server to
 * which the program may not connect.
 *
 * @param identities those whose keys can be read
 */
export async function checkAccounts(
  file: TextFile,
  settings: Settings,
  identities: readonly Identity[],
  now: Date,
): Promise<{ findings: Finding[]; notes: string[] }> {
  const accounts = accountsIn(settings);
  const context: AccountsContext = { file, settings, accounts, now, findings: [], notes: [] };
  const senders = new Map<Account, Identity[]>(accounts.map((account) => [account, []]));
  for (const identity of accounts.length === 0 ? [] : identities) {
    try {
      senders.get(accountOf(accounts, identity.address)!)!.push(identity);
    } catch (error) {
      if (!(error instanceof Fail)) throw error;
      const where = { file: file.file, line: lineOf(file.text, "account", "", 0) };
      const why = "Mail of this identity cannot be sent.";
      context.findings.push({ id: "account-settings", what: error.message, where, why, fix: error.fix! });
    }
  }
  for (const [nth, account] of accounts.entries()) {
    const mine = senders.get(account)!;
    if (identities.length > 0 && mine.length === 0) {
      context.notes.push(
        `Account ${quote(account.name)} does not send mail of any identity, so mail sent through it is not signed`,
      );
    }
    await checkAccount(context, account, nth, mine.slice(0, MAX_IDENTITIES));
  }
  return context;
}

async function checkAccount(
  context: AccountsContext,
  account: Account,
  nth: number,
  identities: readonly Identity[],
): Promise<void> {
  const files = [...fileCheck(account.password_file, readPassword), ...fileCheck(account.ca, readCertificates)];
  context.findings.push(...files);
  if (files.length > 0) return;
  const server = printServer(serverOf(account));
  if (Deno.permissions.querySync({ name: "net", host: server }).state !== "granted") {
    context.notes.push(`${server} was not checked: this program has no permission to connect to it`);
    return;
  }
  const [program] = [...account.password_command, ...account.oauth2_command];
  if (program !== undefined && ANY_PROGRAM.test(program)) {
    const setting = account.password_command.length > 0 ? "password_command" : "oauth2_command";
    const what = `${
      settingOf(account, setting)
    } is ${program}, with which the sandbox permits the shim to run any program`;
    context.notes.push(`${what}: name a script instead`);
  }
  const offers = identities.map((identity) => offersOf(identity, account, context));
  const at = (name: string) => ({ file: context.file.file, line: lineOf(context.file.text, account.table, name, nth) });
  let replies: (Fail | undefined)[];
  try {
    const { probe } = await import("../../io/transport/smtp.ts");
    const limited = { ...account, timeout: Math.min(account.timeout || TIMEOUT_SECONDS, TIMEOUT_SECONDS) };
    const envelopes = offers.flat().map(({ sender, identity }) => ({ sender, recipient: identity.address }));
    replies = await probe(limited, envelopes);
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    const { name, fix } = suggestion(error, account);
    context.findings.push({
      id: "account-session",
      what: error.message,
      where: at(name),
      why: "Nothing can be sent.",
      fix,
    });
    return;
  }
  for (const offer of offers) {
    const answers = replies.splice(0, offer.length);
    report(context, account, at("sender"), offer.map((one, index) => ({ ...one, reply: answers[index] })));
  }
}

/** A sender to test. */
interface Offer {
  readonly identity: Identity;
  readonly scheme: Scheme;
  readonly sender: Address;
}

/** Returns the sender that mail of this identity gets, then weaker ones, which the server may accept instead. */
function offersOf(identity: Identity, account: Account, { settings, now }: AccountsContext): Offer[] {
  const own = { identity, address: identity.address };
  const { scheme, sender } = chooseSender(own, [ANYBODY], { settings, now }, account.sender);
  const offers: Offer[] = [{ identity, scheme, sender }];
  if (scheme === "srs" && settings.prvs.receive) {
    const prvs = sign("prvs", identity, { settings, now });
    if (typeof prvs !== "string") offers.push({ identity, scheme: "prvs", sender: prvs });
  }
  if (scheme !== "plain") offers.push({ identity, scheme: "plain", sender: identity.address });
  return offers;
}

/** Reports what the server said about the senders of one identity. */
function report(
  { findings, notes }: AccountsContext,
  account: Account,
  where: Finding["where"],
  answers: readonly (Offer & { readonly reply: Fail | undefined })[],
): void {
  const [first] = answers as [Offer & { reply: Fail | undefined }];
  if (first.reply === undefined) return;
  const name = canonical(first.identity.address);
  if (first.reply.kind === "temporary") {
    notes.push(`The sender of ${name} was not checked: ${first.reply.message}`);
    return;
  }
  const accepted = answers.find(({ reply }) => reply === undefined);
  if (accepted === undefined) {
    const fix = account.table === "account"
      ? "Check which addresses this login may send from, or add the address to the account.from of another account"
      : "Check which addresses this login may send from";
    findings.push({
      id: "account-sender-rejected",
      what: first.reply.message,
      where,
      why: `Mail of ${name} cannot be sent.`,
      fix,
    });
    return;
  }
  const line = `sender = "${accepted.scheme}"`;
  findings.push({
    id: "account-signed-sender-rejected",
    what: `The signed sender of ${name} is rejected: ${first.reply.message}`,
    where,
    why: `Mail of ${name} cannot be sent with it; the server accepts the scheme ${accepted.scheme}.`,
    fix: account.table === "account" ? `Set ${line} in this [[account]]` : `Set ${line} at the top of the settings`,
  });
}

/** Returns the setting to look at, and what to do. */
function suggestion(error: Fail, { table, ...account }: Account): { name: string; fix: string } {
  const command = account.password_command.length > 0 ? "password_command" : "oauth2_command";
  // An error of the program, or about the certificate or the mechanisms, suggests its own fix.
  if (error.fix !== undefined) {
    return {
      name: error instanceof Rejected ? "host" : error.kind === "permission" ? "user" : command,
      fix: error.fix,
    };
  }
  if (error.kind !== "permission") {
    return { name: "host", fix: `Check ${table}.host, port, security and ca, and whether the server is reachable` };
  }
  const secret = account.password_file !== ""
    ? `the password in ${account.password_file}`
    : `what ${table}.${command} prints`;
  return { name: "user", fix: account.user === "" ? `Set ${table}.user` : `Check ${table}.user and ${secret}` };
}

function fileCheck(path: string, read: (path: string) => string): Finding[] {
  if (path === "") return [];
  try {
    read(path);
    return [];
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return [{ ...findingOf("account-file", error, path), why: "Nothing can be sent." }];
  }
}
