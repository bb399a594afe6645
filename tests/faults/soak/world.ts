/**
 * All doors on one machine: Postfix with the sockets door and sign, the site's hook for the SRS domain, the users'
 * hooks behind it, a doorbell, shims and outboxes, and submitd with virtual logins. The state of the site and that of
 * the users are on small disks; with Redis, the site's sent mail is there.
 */
import assert from "node:assert/strict";
import { hashPassword } from "../../../submit/backends/scrypt.ts";
import { CREATED, SECRET } from "../../rig.ts";
import type { Installed } from "../../programs/installation.ts";
import { MilterHost, run } from "../../programs/postfix_milter.ts";
import { Redis } from "../../programs/redis.ts";
import { ANN, chown, GREG, SITE } from "../../programs/site.ts";
import { SubmitdSite, USER as SUBMITD } from "../../programs/submitd_site.ts";
import { Disk } from "./disk.ts";
import type { User } from "./mail.ts";
import { outboxSettings, type Places, userSettings, virtualSettings, writeSettings } from "./settings.ts";

/** The users, by local part. */
export const USERS: readonly User[] = [GREG, ANN];

/** Lines of main.cf: deferred mail is tried again soon, because the soak cannot wait for it. */
const IMPATIENT = `queue_run_delay = 3s
minimal_backoff_time = 3s
maximal_backoff_time = 10s
bell_destination_recipient_limit = 1
site_destination_recipient_limit = 1
default_destination_concurrency_limit = 4
local_destination_concurrency_limit = 3
default_destination_concurrency_failed_cohort_limit = 0
`;

/** The program of the doorbell's service: it notes which message it got. */
const PROGRAM = `#!/bin/sh
grep -o 'soak\\.[0-9]*\\.' | head -n 1 >>"$(dirname "$0")/runs"
`;

export class World implements AsyncDisposable {
  readonly stack = new AsyncDisposableStack();
  host!: MilterHost;
  submitd!: SubmitdSite;
  redis: Redis | undefined;
  readonly disks: { readonly site: Disk; readonly users: Disk };
  /** The folder of the socket lookup, and of the doorbell's program. */
  readonly lookups: string;
  readonly bell: string;

  private constructor(readonly installed: Installed) {
    this.disks = { site: this.stack.use(new Disk()), users: this.stack.use(new Disk()) };
    this.lookups = `${installed.home.path}/lookup`;
    this.bell = `${installed.home.path}/bell`;
  }

  static async start(installed: Installed, withRedis: boolean): Promise<World> {
    const world = new World(installed);
    try {
      await world.#start(withRedis);
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(withRedis: boolean): Promise<void> {
    const { installed, stack, disks } = this;
    if (withRedis) {
      this.redis = stack.use(await Redis.start({ unixsocketperm: "777" }));
      Deno.chmodSync(this.redis.folder, 0o755);
    }
    Deno.mkdirSync(this.lookups, { recursive: true });
    run("chown", `${SITE}:`, this.lookups);
    Deno.mkdirSync(this.bell, { recursive: true });
    installed.home.write("bell/program", PROGRAM, 0o755);
    chown(GREG, this.bell);
    const library = `${installed.prefix}/lib/countersign`;
    const own = (config: string) =>
      `site unix - n n - 6 pipe\n  flags=DRO user=${SITE} null_sender= argv=${library}/hooks/incoming --as postfix\n` +
      `  --config ${config} --forward -- \${sender} \${original_recipient}\n`;
    let redis = "";
    if (this.redis !== undefined) redis = `redis = "${this.redis.url}"\n`;
    const bell = (user: string) =>
      `bell unix - n n - 2 pipe\n  flags=DRO user=${user} null_sender= argv=${library}/hooks/doorbell --as postfix\n` +
      `  --service svc --config BELL_SETTINGS --sender \${sender} --recipient \${original_recipient}\n` +
      `  -- ${this.bell}/program\n`;
    this.host = stack.use(
      await MilterHost.start(installed, {
        state: `${disks.site.path}/state`,
        incoming: "relay_domains = srs.example.org, bell.example.org\n",
        transports: "srs.example.org=site:, bell.example.org=bell:",
        main: IMPATIENT,
        master: own("SITE_SETTINGS") + bell(GREG),
        edit: (name, text) =>
          name === "config"
            ? text.replace(/^shared = .*\n/m, (line) => `${line}lookup = "${this.lookups}/lookup"\n${redis}`)
              .replace("/var/lib/countersign/Spam", `${disks.site.path}/state/Spam`)
              .replace('preset = "postfix"\n', "$&spool = true\n")
            : text.replaceAll("default_action=", "command_timeout=20s, $&"),
      }),
    );
    this.openLookup();
    for (const user of USERS) this.#user(user);
    await this.#nameSettings();
    await this.#submission();
  }

  /** Lets the users of the machine open the socket lookup, as an ACL would (contrib/redis). */
  openLookup(): void {
    Deno.chmodSync(`${this.lookups}/lookup`, 0o666);
  }

  places(user: User): Places {
    const home = `${this.host.site.folder}/${user}`;
    const state = `${this.disks.users.path}/${user}`;
    return { home, state, lookup: `${this.lookups}/lookup`, port: this.host.postfix.port };
  }

  /** The settings file of a user. */
  config = (user: User): string => `${this.places(user).home}/.config/countersign/config.toml`;

  /** Writes the settings of a user. */
  settings(user: User): void {
    writeSettings(this.config(user), userSettings(user, this.places(user)), this.places(user).home);
  }

  #user(user: User): void {
    const { home, state } = this.places(user);
    Deno.mkdirSync(state);
    this.settings(user);
    const folder = `${home}/.config/countersign`;
    Deno.writeTextFileSync(`${folder}/doorbell-keys`, `k1 ${CREATED} bell ${SECRET}\n`, { mode: 0o600 });
    Deno.mkdirSync(`${home}/outbox`);
    writeSettings(`${home}/outbox/config.toml`, outboxSettings(user, this.places(user)), home);
    for (const path of [home, state]) chown(user, path);
  }

  /** Writes the paths of the settings, which are not known before the host has started, into master.cf. */
  async #nameSettings(): Promise<void> {
    const { postfix, engine } = this.host;
    const master = `${postfix.config}/master.cf`;
    const text = Deno.readTextFileSync(master);
    const named = text.replace("BELL_SETTINGS", this.config(GREG)).replace("SITE_SETTINGS", engine.config);
    assert.notEqual(named, text);
    await postfix.stop();
    Deno.writeTextFileSync(master, named);
    await postfix.again();
  }

  async #submission(): Promise<void> {
    const submitd = this.stack.use(await SubmitdSite.empty(this.installed));
    this.submitd = submitd;
    const { home } = submitd;
    const hash = await hashPassword("secret");
    home.write("users", USERS.map((user) => `${user}:${hash}\n`).join(""), 0o600);
    for (const user of USERS) {
      const folder = `users.d/${user}`;
      const places = { ...this.places(user), home: `${home.path}/${folder}`, state: `${home.path}/${folder}/state` };
      home.write(`${folder}/keys`, `k1 ${CREATED} ${user} ${SECRET}\n`, 0o600);
      home.write(`${folder}/config.toml`, virtualSettings(user, places));
      Deno.mkdirSync(places.state);
    }
    const { port } = this.host.postfix;
    home.write(
      ".config/countersign/config.toml",
      `unconfigured = "fail"\n[state]\nfolder = "${home.path}/users.d/state"\nlookup = "${this.lookups}/lookup"\n` +
        `[transport]\nvia = "smtp"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n[submit]\n` +
        `auth = "file:${home.path}/users"\nuser_settings = "${home.path}/users.d/{login}/config.toml"\n` +
        `listen = ["127.0.0.1:0"]\nlisten_tls = ["127.0.0.1:0"]\nname = "mx.example.org"\n` +
        `certificate = "${home.path}/cert.pem"\nkey = "${home.path}/key.pem"\n`,
    );
    await submitd.own();
    await submitd.start();
  }

  /** Writes the key files of a user, for all programs. */
  writeKeys(user: User, text: string): void {
    const { host: { engine }, submitd } = this;
    const files = [
      [`${engine.home.path}/site/keys/${user}`, SITE],
      [`${this.places(user).home}/.config/countersign/keys`, user],
      [`${submitd.home.path}/users.d/${user}/keys`, SUBMITD],
    ] as const;
    for (const [path, owner] of files) {
      Deno.writeTextFileSync(`${path}.new`, text, { mode: 0o600 });
      chown(owner, `${path}.new`);
      Deno.renameSync(`${path}.new`, path);
    }
  }

  /** The logs of the users and of the virtual logins. */
  logs(): string[] {
    return USERS.flatMap((user) => [
      `${this.places(user).state}/log`,
      `${this.submitd.home.path}/users.d/${user}/state/log`,
    ]);
  }

  /** Everything that the programs said, for a failure. */
  trouble = (): string => `${this.host.trouble()}\n${this.submitd?.stderr}`;

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}
