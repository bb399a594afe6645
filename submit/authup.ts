/**
 * Offers AUTH to an SMTP client, or USER and PASS to a POP3 client, and has the password checked by a checkpassword
 * program, which then becomes the user and serves the client. The first of `Deno.args` is the name of this program.
 */
import { latin1ToUtf8 } from "../lib/bytes.ts";
import { errorText, quoteAll } from "../lib/fail.ts";
import { checkArguments, env, plainEnv } from "../io/system/environment.ts";
import { printInformation } from "../io/system/information.ts";
import { holdFailure } from "./auth/hold.ts";
import { checkPassword } from "./checkpassword.ts";
import { ClientGone, ClientInput, reply } from "./client.ts";
import { controlNumber } from "./controls.ts";
import type { LoginRequest, Protocol } from "./login.ts";
import { Pop3Login } from "./pop3_login.ts";
import { SmtpLogin } from "./smtp_login.ts";

const HELP = `Usage: authup [-t TRIES] smtp|pop3 CHECKPASSWORD [argument ...] PROGRAM [argument ...]
Authenticates an SMTP or POP3 client, under tcpserver or stunnel. CHECKPASSWORD reads login and password from descriptor
3 and, if they are correct, runs the rest of its arguments as the user.

  -t TRIES  Close the connection after this many failed logins (default: 5 for smtp, 1 for pop3)

Example: tcpserver 0 587 authup smtp checkpassword checknotroot ofmipd`;

/** Time limit for a login in seconds, from the greeting and again from each failed login. */
const LOGIN_SECONDS = 60;

/** Exit statuses for reup: 12 ends it, others start the next run. */
const [FAILED, DONE, CLIENT_LEFT] = [1, 0, 12];

/** Exit statuses of the programs behind authup that have a meaning of their own; all others are passed on. */
const [WRONG_PASSWORD, MISUSED, TEMPORARY] = [1, 2, 111];
const [FIXSMTPIO_TIMEOUT, FIXSMTPIO_RULES] = [16, 18];
const [CANNOT_RUN, NOT_FOUND] = [126, 127];

/** Runs authup. @param seconds the time limit for a login @returns the exit status */
export async function authup(name: string, args: readonly string[], seconds = LOGIN_SECONDS): Promise<number> {
  if (printInformation(args[0], HELP)) return DONE;
  const given = parse(args);
  if (given === undefined) {
    say(`${name}: usage: authup [-t tries] smtp|pop3 checkpassword program`);
    return FAILED;
  }
  try {
    checkArguments(given.argv);
    return await new Session(given, seconds).run();
  } catch (error) {
    if (error instanceof ClientGone) return CLIENT_LEFT;
    say(`${name}: ${errorText(error)}`);
    await reply(
      given.protocol === "smtp" ? "421 authup unable to read controls (#4.3.0)" : "-ERR authup unable to start",
    )
      .catch(() => {});
    return FAILED;
  }
}

/** The parsed arguments. */
interface Arguments {
  readonly tries: number;
  readonly protocol: "smtp" | "pop3";
  readonly argv: readonly string[];
}

function parse(args: readonly string[]): Arguments | undefined {
  let rest = args;
  let tries: number | undefined;
  const [, attached] = /^-t(.*)$/s.exec(rest[0] ?? "") ?? [];
  if (attached !== undefined) {
    const value = attached || rest[1] || "";
    if (!/^[1-9]\d{0,5}$/.test(value)) return undefined;
    tries = Number(value);
    rest = rest.slice(attached === "" ? 2 : 1);
  }
  if (rest[0] === "--") rest = rest.slice(1);
  const [word = "", ...argv] = rest;
  const protocol = word.toLowerCase();
  if ((protocol !== "smtp" && protocol !== "pop3") || argv.length === 0) return undefined;
  // Under reup each run has one try, so that `reup -t 5` means five.
  const usual = plainEnv("REUP") !== "" ? 1 : protocol === "smtp" ? 5 : 1;
  return { tries: tries ?? usual, protocol, argv };
}

/** A client that has not logged in. */
class Session {
  #tries: number;
  readonly #given: Arguments;

  constructor(given: Arguments, readonly seconds: number) {
    this.#given = given;
    this.#tries = given.tries;
  }

  async run(): Promise<number> {
    const { protocol } = this.#given;
    this.#log(`protocol ${protocol}`);
    const input = new ClientInput(Deno.stdin, controlNumber(`timeout${protocol}d`, 1200));
    const login: Protocol = protocol === "smtp" ? SmtpLogin.load() : Pop3Login.load();
    try {
      // A second run under reup continues the session.
      if (!/^(?:[2-9]|\d{2,})$/.test(plainEnv("REUP"))) await reply(login.greeting);
      for (;;) {
        const next = await login.next(input, Date.now() + this.seconds * 1000);
        if (next === "quit") return DONE;
        if (input.hasMore) {
          // Input that was already read would not reach the program that serves the client.
          input.discard();
          await reply(login.refusals.early);
          continue;
        }
        const status = await this.#try(next, login);
        if (status !== undefined) return status;
      }
    } catch (error) {
      if (!(error instanceof ClientGone)) throw error;
      if (error.why === "timeout" || error.why === "long") await reply(login.refusals[error.why]);
      return CLIENT_LEFT;
    }
  }

  /** Tries one login. @returns the exit status, or undefined if the client may try again */
  async #try({ credentials, timestamp }: LoginRequest, { refusals }: Protocol): Promise<number | undefined> {
    this.#tries--;
    const begun = Date.now();
    let child = 0;
    const exit = await checkPassword(this.#given.argv, credentials, timestamp, (pid) => {
      child = pid;
      this.#log(`checkpassword ${pid} attempt for ${quoteAll(latin1ToUtf8(credentials.user)).slice(1, -1)}`);
    });
    const about = `checkpassword ${child}`;
    if (exit.signal !== undefined) {
      this.#log(`${about} crashed: ${exit.signal}`);
      await reply(refusals.crash);
      return FAILED;
    }
    switch (exit.code) {
      case WRONG_PASSWORD:
      case MISUSED:
      case TEMPORARY:
        this.#log(`${about} failed, ${this.#tries} remaining`);
        if (exit.code !== TEMPORARY) await this.#logFailure(credentials.user);
        // All failures take equally long, so that a client cannot tell whether the user exists, or is root.
        await holdFailure(begun);
        await reply(exit.code === TEMPORARY ? refusals.temporary : refusals.failed);
        return this.#tries > 0 ? undefined : FAILED;
      case FIXSMTPIO_TIMEOUT:
        await reply(refusals.timeout);
        return FAILED;
      case FIXSMTPIO_RULES:
      case CANNOT_RUN:
      case NOT_FOUND:
        this.#log(`${about} cannot be run: exit status ${exit.code}`);
        await reply(refusals.misconfigured);
        return FAILED;
      default:
        this.#log(`${about} succeeded, child completed`);
        return exit.code;
    }
  }

  /** Logs a line for fail2ban. The address comes first, so that no login can look like one. */
  async #logFailure(user: string): Promise<void> {
    const ip = await env("TCPREMOTEIP") ?? await env("REMOTE_HOST") ?? "";
    const from = /^[0-9a-fA-F.:]{2,45}$/.test(ip) ? ip : "unknown";
    const name = quoteAll(latin1ToUtf8(user).slice(0, 80));
    say(`authup: login failed from ${from}: user=${name} tries=${this.#given.tries - this.#tries}`);
  }

  #log(what: string): void {
    say(`authup ${Deno.pid} ${what}`);
  }
}

function say(line: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
  } catch {
    // Standard error is closed.
  }
}

if (import.meta.main) Deno.exit(await authup(Deno.args[0] ?? "authup", Deno.args.slice(1)));
