/** Checks that Postfix runs, if mail of an identity needs it. */
import type { Finding } from "./finding.ts";
import { classOf, domainOf, runsHook } from "./postfix_bounces.ts";
import type { PostfixQueries } from "./postfix_queries.ts";

/** What the check needs. */
export interface RunningContext {
  readonly queries: PostfixQueries;
  /** The addresses of the identities. */
  readonly addresses: readonly string[];
  /** Whether the shim passes mail to this Postfix. */
  readonly sends: boolean;
}

/** Returns the finding if Postfix is needed and not running. */
export async function checkRunning({ queries, addresses, sends }: RunningContext): Promise<Finding[]> {
  if (!sends && !await receives(queries, addresses)) return [];
  // Unlike postfix(1), postqueue(1) may be run by any user. root gets a warning, others an error.
  const other = queries.folder === "/etc/postfix" ? [] : ["-c", queries.folder];
  const { said } = await queries.run(["postqueue", ...other, "-p"]);
  if (!/mail system is down/i.test(said)) return [];
  return [{
    id: "postfix-stopped",
    what: "Postfix is not running",
    where: { file: `${queries.folder}/main.cf` },
    why: "No mail arrives, and what is sent waits in the queue.",
    fix: "postfix start, or systemctl start postfix",
  }];
}

async function receives(queries: PostfixQueries, addresses: readonly string[]): Promise<boolean> {
  if ([...queries.services.values()].some(runsHook)) return true;
  for (const address of addresses) {
    const kind = await classOf(domainOf(address), queries);
    if (kind !== undefined && kind !== "unknown") return true;
  }
  return false;
}
