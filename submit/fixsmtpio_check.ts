/** Checks control/fixsmtpio, for `fixsmtpio --check`. */
import { errorText, Fail, quote } from "../lib/fail.ts";
import { printError } from "../io/system/log.ts";
import { filterReply } from "./fixsmtpio_filter.ts";
import { parseRules, problems } from "./fixsmtpio_rules.ts";

/** Prints the mistakes. @returns 1 if there are any, otherwise 0 */
export function check(text: string, file: string): number {
  const found = problems(text, file);
  if (found.length === 0) found.push(...afterLogin(text, file));
  for (const one of found) printError("fixsmtpio", errorText(one));
  if (found.length === 0) console.log(`${file}: ${parseRules(text, file).length} rules`);
  return found.length > 0 ? 1 : 0;
}

/** authup does not reply to AUTH: the greeting of the server behind it is the reply, and must be 235. */
function afterLogin(text: string, file: string): Fail[] {
  const context = { rules: parseRules(text, file), host: "localhost", isSet: (name: string) => name === "AUTHUP_USER" };
  // qmail's programs greet with 220; ours greets with 235.
  const seen = ["220 localhost ESMTP\r\n", "235 ok, go ahead (#2.0.0)\r\n"]
    .map((greeting) => filterReply("greeting", greeting, context).text).find((reply) => !reply.startsWith("235"));
  const ours = context.rules.every(({ event, env }) => event !== "greeting" || (env !== "" && env !== "AUTHUP_USER"));
  if (seen === undefined || ours) return [];
  return [
    new Fail("config", `After a login the client gets ${quote(seen.trimEnd())} where it expects 235`, {
      file,
      fix: "add AUTHUP_USER:greeting::2*::235 ok, go ahead (#2.0.0) below the other rules for greeting",
    }),
  ];
}
