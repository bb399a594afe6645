/**
 * Runs an SMTP server and filters its session by the rules in control/fixsmtpio, so that it can run behind authup. The
 * first of `Deno.args` is the name of this program.
 */
import { errorText, quoteAll } from "../lib/fail.ts";
import { checkArguments, childEnvironment, plainEnv } from "../io/system/environment.ts";
import { printInformation } from "../io/system/information.ts";
import { readIfPresent } from "../io/system/files.ts";
import { printError } from "../io/system/log.ts";
import { controlFile, greetingName } from "./controls.ts";
import { check } from "./fixsmtpio_check.ts";
import type { FilterContext } from "./fixsmtpio_filter.ts";
import { Proxy, type ProxyEnds } from "./fixsmtpio_proxy.ts";
import { parseRules } from "./fixsmtpio_rules.ts";

const HELP = `Usage: fixsmtpio SERVER [argument ...]
       fixsmtpio --check
Runs an SMTP server and rewrites its commands and replies by the rules in control/fixsmtpio.

  --check  Print the mistakes in control/fixsmtpio; exit 1 if there are any

Example: tcpserver 0 587 authup smtp checkpassword checknotroot fixsmtpio ofmipd`;

/** Statuses: of its own errors, and of rules that cannot be parsed, which authup answers with 421. */
const [FAILED, BAD_RULES] = [1, 18];

/** Runs fixsmtpio. @returns the exit status */
export async function fixsmtpio(name: string, args: readonly string[]): Promise<number> {
  if (printInformation(args[0], HELP)) return 0;
  const file = controlFile("fixsmtpio");
  try {
    checkArguments(args);
    if (args.length === 0 || (args[0]!.startsWith("-") && args[0] !== "--check")) {
      printError(name, "usage: fixsmtpio program");
      return FAILED;
    }
    const text = readIfPresent(file) ?? "";
    if (args[0] === "--check") return check(text, file);
    if (Deno.env.has("NOFIXSMTPIO")) return statusOf(await start(args, "inherit").status);
    const isSet = (variable: string) => Deno.env.has(variable);
    return await serve(args, { rules: parseRules(text, file), host: greetingName("smtp"), isSet });
  } catch (error) {
    printError(name, errorText(error));
    return BAD_RULES;
  }
}

/** Runs the server. @returns the exit status */
async function serve(argv: readonly string[], context: FilterContext): Promise<number> {
  const server = start(argv, "piped");
  const [reader, writer] = [server.stdout.getReader(), server.stdin.getWriter()];
  const debug = plainEnv("FIXSMTPIODEBUG") !== "";
  const buffer = new Uint8Array(64 * 1024);
  const ends: ProxyEnds = {
    fromClient: async () => {
      const count = await Deno.stdin.read(buffer).catch(() => null);
      return count === null ? undefined : buffer.subarray(0, count);
    },
    fromServer: async () => (await reader.read()).value,
    toClient: async (bytes) => {
      // That a client has disconnected is noticed when reading from it.
      for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at)).catch(() => bytes.length);
    },
    toServer: (bytes) => writer.write(bytes).catch(() => {}),
    endServer: () => writer.close().catch(() => {}),
    trace: (what, text) => {
      if (debug) printError(`fixsmtpio ${Deno.pid} ${argv[0]} ${server.pid} ${what}`, quoteAll(text));
    },
  };
  const exit = await new Proxy(ends, context).run();
  await ends.endServer();
  await reader.cancel().catch(() => {});
  const status = statusOf(await server.status);
  return exit ?? status;
}

/** Starts the server by way of a shell, the one program that the sandbox permits. */
function start(argv: readonly string[], io: "piped" | "inherit"): Deno.ChildProcess {
  const options = { env: childEnvironment(), clearEnv: true, stdin: io, stdout: io, stderr: "inherit" } as const;
  return new Deno.Command("/bin/sh", { args: ["-c", 'exec "$@"', "sh", ...argv], ...options }).spawn();
}

const statusOf = ({ code, signal }: Deno.CommandStatus): number => signal === null ? code : FAILED;

if (import.meta.main) Deno.exit(await fixsmtpio(Deno.args[0] ?? "fixsmtpio", Deno.args.slice(1)));
