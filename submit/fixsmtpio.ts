/** Filters the SMTP session between a client and a server, by the rules in control/fixsmtpio. */
/** Runs fixsmtpio. @returns the exit status */
export function fixsmtpio(_name: string, _args: readonly string[]): Promise<number> {
  return Promise.resolve(1);
}
if (import.meta.main) Deno.exit(await fixsmtpio(Deno.args[0] ?? "fixsmtpio", Deno.args.slice(1)));
