/** Checks that the users to whom virtualdomains assigns SRS domains have a dot-qmail file for them. */
import { type Account, accounts } from "./access.ts";
import { pathInfo } from "./filesystem.ts";
import type { Finding } from "./finding.ts";
import { domainOf } from "./postfix_bounces.ts";

/** What the check needs to know about this machine. */
export interface MachineUsers {
  readonly accounts: readonly Account[];
  /** The user-id of a folder's owner; undefined if the folder does not exist or cannot be examined. */
  ownerOf(folder: string): number | undefined;
  /** Whether there is certainly no such file. */
  isMissing(path: string): boolean;
}

/** The users of this machine. */
export const thisMachine = (): MachineUsers => ({
  accounts: accounts(),
  ownerOf(folder) {
    const { kind, uid } = pathInfo(folder);
    return kind === "folder" ? uid : undefined;
  },
  isMissing: (path) => pathInfo(path).kind === "missing",
});

/** Checks the lines of virtualdomains in the output of qmail-showctl. */
export function checkVirtualUsers(text: string, signed: readonly string[], machine: MachineUsers): Finding[] {
  // With users/cdb, qmail-lspawn takes users and their homes from there.
  if (!machine.isMissing("/var/qmail/users/cdb")) return [];
  const found = new Map<string, Finding>();
  for (const domain of signed.map(domainOf)) {
    const [, prefix] = new RegExp(`^Virtual domain: ${domain.replaceAll(".", "\\.")}:(\\S+)$`, "im").exec(text) ?? [];
    const user = prefix === undefined ? undefined : userOf(`${prefix}-`, machine);
    if (user === undefined) continue;
    const files = defaultsOf(user.extension);
    const folder = user.account.home;
    if (machine.ownerOf(folder) === undefined) continue;
    if (!files.every((name) => machine.isMissing(`${folder}/${name}`))) continue;
    found.set(domain, {
      id: "qmail-no-dot-qmail",
      what: `Mail for ${domain} is delivered to ${user.account.name}, who has no ${files.join(" or ")}`,
      where: { file: folder },
      why: "qmail-local bounces all mail to signed addresses: Sorry, no mailbox here by that name.",
      fix: `Write |/usr/local/lib/countersign/hooks/incoming and ./Maildir/, a line each, into ${folder}/${files[0]}`,
    });
  }
  return [...found.values()];
}

/** Returns the user of a local part, and the extension, as qmail-getpw(8) does: the longest name counts, then alias. */
function userOf(
  local: string,
  { accounts, ownerOf }: MachineUsers,
): { account: Account; extension: string } | undefined {
  const named = (name: string) => accounts.find((one) => one.name === name.toLowerCase());
  for (let end = local.lastIndexOf("-"); end > 0; end = local.lastIndexOf("-", end - 1)) {
    const account = named(local.slice(0, end));
    if (account !== undefined && account.uid !== 0 && ownerOf(account.home) === account.uid) {
      return { account, extension: local.slice(end + 1) };
    }
  }
  const alias = named("alias");
  return alias && { account: alias, extension: local };
}

/** Returns the dot-qmail files that qmail-local(8) uses for all addresses with this extension. */
function defaultsOf(extension: string): string[] {
  const parts = extension.toLowerCase().replaceAll(".", ":").split("-").slice(0, -1);
  return [...parts.keys(), parts.length].reverse().map((length) =>
    `.qmail-${parts.slice(0, length).map((part) => `${part}-`).join("")}default`
  );
}
