/** The services of submitd, their sockets, and what they are configured with. */
import { Fail } from "../../lib/fail.ts";
import { HOSTNAME } from "../../lib/paths.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { parseAuth, parseEndpoint } from "../../lib/settings/submission.ts";
import { readIfPresent } from "../../io/system/files.ts";
import { readCertificate } from "./certificate.ts";
import { Clients } from "./clients.ts";
import { Door, TIMES, type Times, type Where } from "./listen.ts";
import { Service } from "./service.ts";
import { passesUnconfigured } from "./user.ts";

/** A socket, and whether TLS starts with the connection. */
export interface Socket {
  readonly where: Where;
  readonly tls: boolean;
}

/** A running server. */
export class Submitd {
  readonly #door: Door;
  readonly #services: readonly [starttls: Service, tls: Service];
  readonly #abort = new AbortController();

  /** @param report receives errors and failed logins @throws {Fail} `config`, `permission` */
  constructor(settings: Settings, report: (what: string) => void, times: Times = TIMES) {
    checkSettings(settings);
    const { max_connections, max_per_address, name } = settings.submit;
    this.#door = new Door(new Clients(max_connections, max_per_address), times);
    const options = {
      settings,
      host: name || machineName(),
      abort: this.#abort.signal,
      report,
      certificate: readCertificate(settings),
      door: this.#door,
    };
    this.#services = [new Service(false, options), new Service(true, options)];
  }

  /** Listens on a socket. @returns the port @throws {Fail} `config` */
  async listen({ where, tls }: Socket): Promise<number> {
    return await this.#door.listen(where, this.#services[tls ? 1 : 0].smtp.server);
  }

  /**
   * Uses other settings for new messages, and another certificate for new connections.
   *
   * @throws {Fail} nothing changed
   */
  reload(settings: Settings): void {
    checkSettings(settings);
    const certificate = readCertificate(settings);
    for (const service of this.#services) service.reload(settings, certificate);
  }

  /** Accepts no more connections, waits for the messages in transit for that many milliseconds, and ends. */
  async close(patience: number): Promise<void> {
    this.#door.stop();
    const timer = setTimeout(() => this.#abort.abort(), patience);
    await Promise.all(this.#services.map((service) => service.close()));
    clearTimeout(timer);
    this.#door.end();
  }
}

/** Returns the sockets that the settings name. */
export function socketsOf({ submit: { listen, listen_tls } }: Settings): Socket[] {
  const all = (texts: readonly string[], tls: boolean) => texts.map((text) => ({ where: parseEndpoint(text)!, tls }));
  return [...all(listen, false), ...all(listen_tls, true)];
}

/** Checks what a server needs. @throws {Fail} `config` */
function checkSettings(settings: Settings): void {
  const { submit, identity } = settings;
  if (parseAuth(submit.auth) === undefined) {
    throw new Fail("config", "No password backend is configured", { fix: "set submit.auth" });
  }
  // With the file of logins, virtual users may have homes of their own.
  const own = submit.user_settings !== "" || submit.auth.startsWith("file:") ||
    passesUnconfigured(settings);
  if (!own && !identity.some((one) => one.logins.length > 0)) {
    throw new Fail("config", "No identity belongs to a login", { fix: "set identity.logins, or submit.user_settings" });
  }
}

function machineName(): string {
  const name = readIfPresent(HOSTNAME)?.trim() ?? "";
  return /^[\w.-]{1,253}$/.test(name) ? name : "localhost";
}
