/** An engine with its own settings, for the tests of its roles. */
import { loadIdentities } from "../../io/system/load.ts";
import { Engine } from "../../serve/engine.ts";
import { WATCH_TIMES } from "../../serve/watch.ts";
import { CREATED, Home, SECRET } from "../rig.ts";
import type { Identity } from "../../lib/settings/identity.ts";

/** greg and ann, each with a login of the same name, and settings with which the door rejects. */
export class EngineHome extends Home {
  readonly engine: Engine;
  /** The messages that the engine reported. */
  readonly reports: string[] = [];

  constructor(more = "", { shared = true, forged = "refuse", prvs = false } = {}) {
    super();
    this.write("keys/greg", `k1 ${CREATED} greg ${SECRET}\n`, 0o600);
    this.write("keys/ann", `k1 ${CREATED} ann ${SECRET}\n`, 0o600);
    if (more.includes("moved =")) this.write("moved", "");
    this.configure(more, { shared, forged, prvs });
    this.engine = this.start();
  }

  /** Starts another engine; with times of 0 it checks its files on each access. */
  start(times = WATCH_TIMES): Engine {
    return new Engine(this.source, (what) => void this.reports.push(what), times);
  }

  get source() {
    return { file: `${this.path}/site.toml`, home: this.path };
  }

  configure(more = "", { shared = true, forged = "refuse", prvs = false } = {}): void {
    const identity = (user: string) =>
      `[[identity]]\naddress = "${user}@example.org"\nsrs_domain = "srs.example.org"\nkeys = "keys/${user}"\n` +
      `logins = ["${user}"]\n`;
    this.write(
      "site.toml",
      `${identity("greg")}${identity("ann")}[state]\nfolder = "state"\nshared = ${shared}\n` +
        `[transport]\npreset = "postfix"\n[prvs]\nreceive = ${prvs}\n[incoming]\nforged = "${forged}"\n[serve]\nsocket_folder = "sockets"\n${more}\n`,
    );
  }

  /** The identity of a user. */
  identity(user: string): Identity {
    return loadIdentities(this.engine.loaded.settings).find((one) => one.address.local === user)!;
  }

  /** The lines of the log, without times. */
  log(): string[] {
    return this.read("state/log").split("\n").filter((line) => line !== "").map((line) => line.replace(/^\S+ /, ""));
  }
}
