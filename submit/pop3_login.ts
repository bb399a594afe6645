/** POP3 before the login (RFC 1939). */
import { type ClientInput, reply } from "./client.ts";
import { controlList, greetingName } from "./controls.ts";
import type { LoginRequest, Protocol, Refusal } from "./login.ts";
import { checked } from "./sasl.ts";

/** A POP3 session in the AUTHORIZATION state. */
export class Pop3Login implements Protocol {
  readonly greeting: string;
  readonly refusals: Readonly<Record<Refusal, string>> = {
    failed: "-ERR authup authorization failed",
    temporary: "-ERR authup temporary authentication failure",
    crash: "-ERR authup aack, child crashed",
    misconfigured: "-ERR [SYS/PERM] authup unable to read controls",
    early: "-ERR authup commands must not follow PASS before it is answered",
    timeout: "-ERR authup timeout",
    long: "-ERR authup line too long",
  };

  /** @param stamp what checkpassword gets as timestamp */
  constructor(readonly stamp: string, readonly capabilities: readonly string[]) {
    this.greeting = `+OK ${stamp}`;
  }

  /** Reads the control files. @throws {Fail} `config` */
  static load(): Pop3Login {
    const stamp = `<${Deno.pid}.${Math.floor(Date.now() / 1000)}@${greetingName("pop3")}>`;
    return new Pop3Login(stamp, controlList("pop3capabilities") ?? []);
  }

  async next(input: ClientInput, until: number): Promise<LoginRequest | "quit"> {
    let user: string | undefined;
    for (;;) {
      const line = await input.line(until);
      const [, verb = "", rest = ""] = /^([^ ]*) ?(.*)$/s.exec(line) ?? [];
      switch (verb.toLowerCase()) {
        case "capa":
          await reply("+OK capability list follows", "USER", ...this.capabilities, ".");
          break;
        case "stls":
          await reply("-ERR STLS not available");
          break;
        case "noop":
          await reply("+OK ");
          break;
        case "quit":
          await reply("+OK ");
          return "quit";
        case "user":
          if (rest !== "") user = rest;
          await reply(rest === "" ? "-ERR authup syntax error" : "+OK ");
          break;
        case "pass": {
          const credentials = user === undefined ? undefined : checked(user, rest);
          if (credentials !== undefined) return { credentials, timestamp: this.stamp };
          await reply(user === undefined ? "-ERR authup USER first" : "-ERR authup syntax error");
          break;
        }
        default:
          await reply("-ERR authup authorization first");
      }
    }
  }
}
