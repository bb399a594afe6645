/** Chooses the account through which a message leaves. */
import { type Address, canonical, formatAddress } from "../lib/address.ts";
import { Fail, quote } from "../lib/fail.ts";
import { glob } from "../lib/glob.ts";
import type { Header } from "../lib/message.ts";
import type { Account } from "../lib/settings/accounts.ts";
import { sendingAddresses } from "./owner.ts";

/** An account, and why it was chosen. */
export interface ChosenAccount {
  readonly account: Account;
  /** Why, for people: `From greg@example.org`, `the only account`. */
  readonly because: string;
}

/** The message for which an account is chosen. */
export interface AccountRequest {
  /** The header, or the first block of fields of a message that was already relayed. */
  readonly block: Header;
  /** Whether the message was already relayed: then only its Resent-From was written by the user. */
  readonly relayed: boolean;
  /** The envelope sender: null for the null sender, undefined when it was not given. */
  readonly sender: Address | null | undefined;
  /** The domain of addresses that have none. */
  readonly domain: string;
}

/**
 * Chooses by the Resent-From of the first block, then From, then the envelope sender, then the default.
 *
 * @returns undefined when there are no accounts, because mail leaves in another way
 * @throws {Fail} `config` when several accounts exist, none of them matches, and none is the default
 */
export function chooseAccount(accounts: readonly Account[], request: AccountRequest): ChosenAccount | undefined {
  if (accounts.length === 0) return undefined;
  if (accounts.length === 1) return { account: accounts[0]!, because: "the only account" };
  const { block, relayed, sender, domain } = request;
  const prefix = relayed ? "Resent-" : "";
  const field = sendingAddresses(block, domain, prefix).map((address) => ({ address, where: `${prefix}From` }));
  const given = sender ? [{ address: sender, where: "-f" }] : [];
  const found = [...field, ...given];
  for (const { address, where } of found) {
    const account = accountMatching(accounts, address);
    if (account !== undefined) return { account, because: `${where} ${formatAddress(address)}` };
  }
  return fallback(accounts, found[0]?.address);
}

/** Returns the account that sends mail of this address. @throws {Fail} as {@link chooseAccount} */
export function accountOf(accounts: readonly Account[], address: Address | undefined): Account | undefined {
  if (accounts.length < 2) return accounts[0];
  return (address && accountMatching(accounts, address)) ?? fallback(accounts, address).account;
}

/** Returns the first account with a pattern for this address. */
function accountMatching(accounts: readonly Account[], address: Address): Account | undefined {
  const wanted = canonical(address);
  return accounts.find(({ from }) => from.some((pattern) => glob(pattern, wanted)));
}

function fallback(accounts: readonly Account[], address: Address | undefined): ChosenAccount {
  const account = accounts.find((one) => one.default);
  if (account !== undefined) return { account, because: "the default" };
  const about = address === undefined ? "a message without a sender" : quote(formatAddress(address));
  const fix = "add the address to account.from, or set account.default = true in one of them";
  throw new Fail("config", `No account sends mail of ${about}`, { fix });
}
