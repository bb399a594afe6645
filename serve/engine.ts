/** Holds the current settings, which are replaced as a whole on SIGHUP, or when a file has changed. */
import { errorText, Fail } from "../lib/fail.ts";
import { asksLookup } from "../lib/settings/lookup.ts";
import type { ConfigSource, Settings } from "../lib/settings/parse.ts";
import { log, printError } from "../io/system/log.ts";
import { filesOf, keyProblems, load, type Loaded } from "./loaded.ts";
import { Watch, WATCH_TIMES, type WatchTimes } from "./watch.ts";

/** Holds the settings and files that were last loaded without an error. */
export class Engine {
  readonly #source: ConfigSource;
  readonly #report: (what: string) => void;
  readonly #times: WatchTimes;
  #loaded: Loaded;
  #watch: Watch;
  #problems = "";

  /**
   * @param source the settings file
   * @param report receives messages about reloads, and about keys that cannot be read
   * @throws {Fail} for settings that cannot be used, and when no key can be read
   */
  constructor(
    source: ConfigSource,
    report: (what: string) => void = (what) => printError("serve", what),
    times: WatchTimes = WATCH_TIMES,
  ) {
    [this.#source, this.#report, this.#times] = [source, report, times];
    // The state of files is recorded before they are read, so that no change in between is missed.
    const before = new Watch([source.file], Date.now(), times);
    this.#loaded = load(source);
    this.#watch = new Watch(filesOf(source, this.#loaded), Date.now(), times, before);
    this.#reportKeys();
  }

  /** The current settings and files. A message keeps those with which it began. */
  get loaded(): Loaded {
    if (this.#watch.changed(Date.now())) this.update();
    return this.#loaded;
  }

  /** Reloads all files, and reports and logs whether that succeeded. */
  update(): void {
    const problem = this.reload();
    this.#report(
      problem === undefined
        ? "Settings reloaded"
        : `Settings not reloaded, the previous ones remain in use: ${problem}`,
    );
    log(this.#loaded.settings, { at: "serve", result: problem === undefined ? "reloaded" : "kept", error: problem });
    if (problem === undefined) this.#reportKeys();
  }

  /** Reloads all files, and keeps the previous ones if that fails. @returns the error, if any */
  reload(): string | undefined {
    const before = new Watch(filesOf(this.#source, this.#loaded), Date.now(), this.#times);
    // An invalid file is reported once, and loaded again after its next change.
    this.#watch = before;
    try {
      const loaded = load(this.#source);
      checkPermitted(this.#loaded, loaded);
      this.#loaded = loaded;
      this.#watch = new Watch(filesOf(this.#source, loaded), Date.now(), this.#times, before);
      return undefined;
    } catch (error) {
      return errorText(error);
    }
  }

  /** Reports keys that cannot be read, unless they were reported before. */
  #reportKeys(): void {
    const problems = keyProblems(this.#loaded);
    if (problems.join("\n") !== this.#problems) { for (const one of problems) this.#report(one); }
    this.#problems = problems.join("\n");
  }
}

/** Checks that this process may read the files that were added. @throws {Fail} `config` */
function checkReadable(setting: string, old: readonly string[], next: readonly string[]): void {
  const denied = next.filter((path) => !old.includes(path))
    .find((path) => Deno.permissions.querySync({ name: "read", path }).state !== "granted");
  if (denied === undefined) return;
  const fix = "countersign sandbox";
  throw new Fail("config", `${setting} was changed, which requires a restart`, { file: denied, fix });
}

/** Checks for changes that require a restart. @throws {Fail} `config` */
function checkPermitted({ settings: old }: Loaded, { settings: next }: Loaded): void {
  if (next.serve.socket_folder !== old.serve.socket_folder) {
    throw new Fail("config", "serve.socket_folder was changed, which requires a restart");
  }
  for (const name of ["redis", "redis_password_file", "redis_ca", "lookup"] as const) {
    if (next.state[name] !== old.state[name]) {
      throw new Fail("config", `state.${name} was changed, which requires a restart`);
    }
  }
  const forwarding = ({ forwarding: { domain, keys } }: Settings) => domain === "" ? [] : [keys];
  checkReadable("forwarding.keys", forwarding(old), forwarding(next));
  const keys = ({ identity }: Settings) => identity.map((one) => one.keys).filter((path) => path !== "");
  // Otherwise the identity's SRS domain, which others may share, could not be judged until then.
  checkReadable("identity.keys", keys(old), keys(next));
  const { folder } = next.state;
  const { state } = Deno.permissions.querySync({ name: "write", path: folder });
  if (folder !== old.state.folder && (state !== "granted" || asksLookup(next))) {
    throw new Fail("config", "state.folder was changed, which requires a restart", { fix: "countersign sandbox" });
  }
}
