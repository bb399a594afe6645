/**
 * A shared store in Redis, for several hosts. Its keys have the prefix `countersign:1:`, and expire by themselves:
 *
 *     sent:HASH              a hash: `s` the latest day on which the message left signed, `u` the same unsigned
 *     entry:MESSAGE-LIST     a hash: `state`, `claim` and `text`
 *     message:MESSAGE        a set of LIST
 *     list:LIST              a set of MESSAGE
 *     forgotten              when a message was last sent and not remembered
 *     hosts                  a hash: when each host last reported (presence.ts)
 *     id                     random, created once; a different one means that data was lost. It does not expire
 *
 * Only daemons load this module, on demand, because the client needs Node's modules.
 */
import { createClient, ErrorReply } from "redis";
import { Fail, reason } from "../../../lib/fail.ts";
import { parseRedis } from "../../../lib/settings/redis.ts";
import type { SentMessage } from "../../../incoming/need.ts";
import type { StoredEntry } from "../entry_files.ts";
import { SENT_DAYS } from "../sent.ts";
import { CLAIM, DAY_SECONDS, evaluation, forgetting, IDENTIFY, ISSUE, PREFIX, REMEMBER, SETTLE } from "./scripts.ts";
import { MAX_ENTRIES, type SharedStore } from "./store.ts";

/** Timeouts of Redis in milliseconds. A hook waits this long; after a timeout the message stays queued. */
export interface RedisLimits {
  readonly connect: number;
  readonly command: number;
  /** Time after a failed attempt to connect before the next attempt. */
  readonly pause: number;
}

/** The limits of `countersign serve`. */
const REDIS_LIMITS: RedisLimits = { connect: 2000, command: 5000, pause: 1000 };

/** Credentials, and the certificate authority to trust. */
export interface RedisLogin {
  readonly password?: string | undefined;
  /** Certificates of the CA in PEM. */
  readonly ca?: string | undefined;
}

/**
 * Required settings of Redis. With other values, Redis may lose a claim in a crash or by eviction, and a challenge
 * would be answered twice. In a cluster, the keys of one script would be on several nodes.
 */
const REQUIRED: Readonly<Record<string, string>> = {
  appendonly: "yes",
  appendfsync: "always",
  "no-appendfsync-on-rewrite": "no",
  "maxmemory-policy": "noeviction",
  "cluster-enabled": "no",
};

type Client = ReturnType<typeof createClient>;

/** A store in Redis. It connects on the first request, and reconnects after a connection was lost. */
export class RedisStore implements SharedStore {
  readonly #url: string;
  readonly #login: RedisLogin;
  readonly limits: RedisLimits;
  #client: Client | undefined;
  #connecting: Promise<Client> | undefined;
  /** The id of the data at the last check. */
  #id: string | undefined;
  #failure: { readonly error: Fail; readonly until: number } | undefined;

  constructor(url: string, login: RedisLogin = {}, limits: RedisLimits = REDIS_LIMITS) {
    [this.#url, this.#login, this.limits] = [url, login, limits];
  }

  /**
   * Checks that Redis is configured not to lose confirmed writes.
   *
   * @throws {Fail} `config` when it is not, or when it does not report its settings; `temporary` when it cannot be
   *   reached
   */
  async check(): Promise<void> {
    const client = await this.#connected();
    await this.#check(client);
  }

  /** Returns the clock of Redis, in seconds since 1970. */
  async time(): Promise<number> {
    const [reply] = await this.#commands([["TIME"]]);
    const [seconds, microseconds] = texts(reply);
    return Number(seconds) + Number(microseconds) / 1e6;
  }

  /** Closes the connection. */
  close(): void {
    this.#drop(this.#client);
  }

  async sent(hashes: readonly string[]): Promise<SentMessage[]> {
    const found = await this.#commands(hashes.map((hash) => ["HMGET", `${PREFIX}sent:${hash}`, "s", "u"]));
    return found.flatMap((fields) => {
      const [signed, unsigned] = texts(fields);
      return [[signed, true], [unsigned, false]].flatMap(([day, signed]) =>
        typeof day === "string" ? [{ day: Number(day), signed: signed === true }] : []
      );
    });
  }

  async rememberSent(hash: string, { day, signed }: SentMessage): Promise<void> {
    const expires = (day + SENT_DAYS + 1) * DAY_SECONDS;
    await this.script(REMEMBER, [`sent:${hash}`], [signed ? "s" : "u", day, expires]);
  }

  async entries(by: { messages: readonly string[] } | { lists: readonly string[] }): Promise<StoredEntry[]> {
    const [set, wanted] = "messages" in by ? ["message", by.messages] as const : ["list", by.lists] as const;
    const others = await this.#commands(wanted.map((name) => ["SMEMBERS", `${PREFIX}${set}:${name}`]));
    const names = wanted.flatMap((name, nth) =>
      texts(others[nth]).map((other) => set === "message" ? `${name}-${other}` : `${other}-${name}`)
    ).sort();
    if (names.length > MAX_ENTRIES) return [];
    const found = await this.#commands(names.map((name) => ["HMGET", `${PREFIX}entry:${name}`, "state", "text"]));
    return names.flatMap((name, nth) => {
      const [state, text] = texts(found[nth]);
      if (text === undefined || !isState(state)) return []; // the entry expired before the member of the set
      return [{ name, state, text: set === "message" ? text : text.split("\n", 1)[0]! }];
    });
  }

  async issue(names: readonly [string, ...string[]], expires: number, text: string): Promise<void> {
    const [message, list] = names[0].split("-") as [string, string];
    const keys = [`message:${message}`, `list:${list}`, ...names.map((name) => `entry:${name}`)];
    // A day longer than needed, because the clocks of hosts differ.
    await this.script(ISSUE, keys, [list, message, text, (expires + 2) * DAY_SECONDS]);
  }

  async claim(name: string): Promise<string | undefined> {
    // The settings may have been changed at run time since the connection was established.
    await this.check();
    const nonce = crypto.randomUUID();
    return await this.script(CLAIM, [`entry:${name}`], [nonce]) === 1 ? `${name}.${nonce}` : undefined;
  }

  async settle(claim: string, state: "spent" | "issued"): Promise<void> {
    const [name = "", nonce = ""] = claim.split(".");
    if (await this.script(SETTLE, [`entry:${name}`], [nonce, state]) !== 1) {
      throw new Fail("temporary", "The claim no longer exists in Redis");
    }
  }

  async noteForgotten(time: number): Promise<void> {
    await this.#commands([forgetting(time)]);
  }

  async lastForgotten(): Promise<number | undefined> {
    const client = await this.#connected();
    const [id] = await this.#answered(client, [["GET", `${PREFIX}id`]]);
    if (this.#id === undefined || id !== this.#id) await this.#identify(client);
    const [time] = await this.#answered(client, [["GET", `${PREFIX}forgotten`]]);
    return typeof time === "string" ? Number(time) : undefined;
  }

  /** Records that mail was forgotten if the data was lost, because a door would reject the bounces of that mail. */
  async #identify(client: Client): Promise<void> {
    const [id] = await this.#answered(client, [evaluation(IDENTIFY, ["id"], [crypto.randomUUID()])]);
    if (this.#id !== undefined && id !== this.#id) await this.#answered(client, [forgetting(Date.now())]);
    this.#id = typeof id === "string" ? id : undefined;
  }

  /** Runs a script, and returns its reply. */
  async script(script: string, keys: string[], values: (string | number)[]): Promise<unknown> {
    const [reply] = await this.#commands([evaluation(script, keys, values)]);
    return reply;
  }

  /** Pipelines commands and returns the reply to each. */
  async #commands(commands: readonly string[][]): Promise<unknown[]> {
    if (commands.length === 0) return [];
    return await this.#answered(await this.#connected(), commands);
  }

  async #answered(client: Client, commands: readonly string[][]): Promise<unknown[]> {
    try {
      return await within(this.limits.command, Promise.all(commands.map((one) => client.sendCommand(one))));
    } catch (error) {
      // The commands may still be executed, so later replies on this connection could not be matched to commands.
      if (!isReply(error)) this.#drop(client);
      throw unusable(error);
    }
  }

  #connected(): Promise<Client> {
    const client = this.#client;
    if (client?.isReady) return Promise.resolve(client);
    // A mail server that opens many sessions must not wait for a new attempt in each.
    if (this.#failure !== undefined && Date.now() < this.#failure.until) return Promise.reject(this.#failure.error);
    return this.#connecting ??= this.#connect().finally(() => this.#connecting = undefined);
  }

  async #connect(): Promise<Client> {
    this.#drop(this.#client);
    const client = this.#create();
    client.on("error", () => this.#drop(client)); // without a listener the process would exit
    try {
      await within(this.limits.connect, client.connect());
      await this.#check(client);
      // A server that is full, or a read-only replica, can still be read.
      await this.#identify(client).catch(() => {});
    } catch (error) {
      this.#drop(client);
      const failure = error instanceof Fail ? error : unusable(error);
      this.#failure = { error: failure, until: Date.now() + this.limits.pause };
      throw failure;
    }
    this.#failure = undefined;
    return this.#client = client;
  }

  #create(): Client {
    const address = parseRedis(this.#url);
    const common = { reconnectStrategy: false, connectTimeout: this.limits.connect } as const;
    // Notices of Redis Enterprise would make the client resolve the name itself, which the sandbox does not permit.
    const quiet = { disableClientInfo: true, maintNotifications: "disabled" } as const;
    const options = { disableOfflineQueue: true, ...quiet } as const;
    const { password, ca } = this.#login;
    const login = password === undefined ? {} : { password };
    if ("path" in address) {
      return createClient({ ...options, ...login, socket: { ...common, path: address.path } }) as Client;
    }
    const { hostname: host, port, tls, user, database } = address;
    const socket = tls
      ? { ...common, host, port, tls: true as const, ...(ca === undefined ? {} : { ca }) }
      : { ...common, host, port };
    return createClient({
      ...options,
      ...login,
      ...(user === "" ? {} : { username: user }),
      database,
      socket,
    }) as Client;
  }

  async #check(client: Client): Promise<void> {
    const fix = `set ${Object.entries(REQUIRED).map(([name, value]) => `${name} ${value}`).join(", ")}`;
    let settings: Map<string, string>;
    try {
      const asked = Object.keys(REQUIRED).map((name) => ["CONFIG", "GET", name]);
      const answers = await within(this.limits.command, Promise.all(asked.map((one) => client.sendCommand(one))));
      settings = new Map(answers.flatMap(pairs));
    } catch (error) {
      if (!isReply(error)) throw unusable(error);
      throw new Fail("config", `Redis does not report its settings (${reason(error)})`, { fix });
    }
    for (const [name, value] of Object.entries(REQUIRED)) {
      const found = settings.get(name);
      if (found === value) continue;
      const is = found === undefined ? "not reported" : found;
      throw new Fail("config", `Redis may lose confirmed writes: ${name} is ${is}`, { fix });
    }
  }

  #drop(client: Client | undefined): void {
    if (client === undefined) return;
    if (this.#client === client) this.#client = undefined;
    try {
      client.destroy();
    } catch {
      // It is already closed.
    }
  }
}

const isState = (text: string | undefined): text is StoredEntry["state"] =>
  text === "issued" || text === "claimed" || text === "spent";

/** Returns the members of an array; those that are missing or not strings are undefined. */
function texts(reply: unknown): (string | undefined)[] {
  return Array.isArray(reply) ? reply.map((one) => typeof one === "string" ? one : undefined) : [];
}

/** Returns the settings in a reply to CONFIG GET, which is a map in RESP 3 and an array in RESP 2. */
function pairs(reply: unknown): [string, string][] {
  if (Array.isArray(reply)) return typeof reply[1] === "string" ? [[String(reply[0]), reply[1]]] : [];
  return typeof reply === "object" && reply !== null
    ? Object.entries(reply).map(([name, value]) => [name, String(value)])
    : [];
}

/** Returns whether the error is a reply from Redis, so that the command was certainly not executed. */
const isReply = (error: unknown): boolean => error instanceof ErrorReply;

function unusable(error: unknown): Fail {
  return new Fail("temporary", `Redis cannot be used: ${reason(error)}`, { cause: error });
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  work.catch(() => {}); // nothing awaits it after the timeout
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
