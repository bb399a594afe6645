/** SMTP before AUTH (RFC 4954). */
import { plainEnv } from "../io/system/environment.ts";
import { type ClientInput, reply } from "./client.ts";
import { controlList, greetingName } from "./controls.ts";
import type { LoginRequest, Protocol, Refusal } from "./login.ts";
import { ASK_PASSWORD, ASK_USER, type Credentials, decodeBase64, loginCredentials, plainCredentials } from "./sasl.ts";

/** The capabilities of ofmipd, in case control/smtpcapabilities does not list those of the program behind authup. */
const CAPABILITIES = ["PIPELINING", "8BITMIME", "SMTPUTF8"];

const CANCELLED = "501 authup auth exchange cancelled (#5.0.0)";
const MALFORMED = "501 authup malformed auth input (#5.5.4)";

/** An SMTP session before AUTH. */
export class SmtpLogin implements Protocol {
  readonly greeting: string;
  readonly refusals: Readonly<Record<Refusal, string>> = {
    failed: "535 authup authorization failed (#5.7.0)",
    temporary: "454 authup temporary authentication failure (#4.7.0)",
    crash: "454 authup aack, child crashed (#4.3.0)",
    misconfigured: "421 authup unable to read controls (#4.3.0)",
    early: "503 authup commands must not follow AUTH before it is answered (#5.5.1)",
    timeout: "451 authup timeout (#4.4.2)",
    long: "500 authup line too long (#5.5.2)",
  };

  constructor(readonly host: string, readonly capabilities: readonly string[]) {
    this.greeting = `220 ${host} ESMTP`;
  }

  /** Reads the control files. @throws {Fail} `config` */
  static load(): SmtpLogin {
    return new SmtpLogin(greetingName("smtp"), controlList("smtpcapabilities") ?? CAPABILITIES);
  }

  async next(input: ClientInput, until: number): Promise<LoginRequest | "quit"> {
    for (;;) {
      const line = await input.line(until);
      const [, verb = "", rest = ""] = /^([^ ]*) *(.*)$/s.exec(line) ?? [];
      switch (verb.toLowerCase()) {
        case "ehlo":
          await reply(...this.#capabilities());
          break;
        case "helo":
          await reply(`250 ${this.host}`);
          break;
        case "auth": {
          const credentials = await this.#auth(rest, input, until);
          if (credentials !== undefined) return { credentials, timestamp: "" };
          break;
        }
        case "starttls":
          await reply("502 unimplemented (#5.5.1)");
          break;
        case "noop":
          await reply("250 ok");
          break;
        case "help":
          await reply("214 authup: log in with AUTH, see authup(8)");
          break;
        case "quit":
          await reply(`221 ${this.host}`);
          return "quit";
        default:
          await reply("530 authup authentication required (#5.7.1)");
      }
    }
  }

  #capabilities(): string[] {
    const broken = Deno.env.has("AUTHUP_SASL_BROKEN_CLIENTS") ? ["AUTH=LOGIN PLAIN"] : [];
    const words = [this.host, ...mustStartTls() ? [] : ["AUTH LOGIN PLAIN", ...broken], ...this.capabilities];
    return words.map((word, at) => `250${at === words.length - 1 ? " " : "-"}${word}`);
  }

  /** Answers AUTH. @returns undefined if it was rejected or cancelled */
  async #auth(rest: string, input: ClientInput, until: number): Promise<Credentials | undefined> {
    const [mechanism = "", initial = ""] = rest.split(/ +/);
    const ask = async (question: string) => {
      await reply(`334 ${question}`);
      const answer = await input.line(until);
      return answer === "*" ? undefined : answer;
    };
    const given = initial === "" ? undefined : initial === "=" ? "" : initial; // RFC 4954: "=" is an empty response
    if (mustStartTls()) {
      await reply("530 authup Must start TLS first (#5.7.0)");
      return undefined;
    }
    let found: Credentials | undefined;
    switch (mechanism.toLowerCase()) {
      case "plain": {
        const answer = given ?? await ask("");
        if (answer === undefined) return await refuse(CANCELLED);
        found = plainCredentials(answer);
        break;
      }
      case "login": {
        const user = given ?? await ask(ASK_USER);
        if (user === undefined) return await refuse(CANCELLED);
        if (user === "" || decodeBase64(user) === undefined) return await refuse(MALFORMED);
        const password = await ask(ASK_PASSWORD);
        if (password === undefined) return await refuse(CANCELLED);
        found = loginCredentials(user, password);
        break;
      }
      default:
        return await refuse("504 authup auth type unimplemented (#5.5.1)");
    }
    return found ?? await refuse(MALFORMED);
  }
}

/** Rejects AUTH. */
async function refuse(line: string): Promise<undefined> {
  await reply(line);
  return undefined;
}

/**
 * `UCSPITLS=!` requires TLS before AUTH. Deno cannot take over the descriptors of UCSPI-TLS, so no login is possible.
 */
const mustStartTls = () => plainEnv("UCSPITLS") === "!" && !Deno.env.has("DISABLETLS");
