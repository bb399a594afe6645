/** An engine with settings of its own, for the tests of its roles. */
import { loadIdentities } from "../../io/system/load.ts";
import { Engine } from "../../serve/engine.ts";
import { CREATED, Home, SECRET } from "../rig.ts";
import type { Identity } from "../../lib/settings/identity.ts";

/** greg and ann, each with a login of their name, and what the door needs to refuse. */
export class EngineHome extends Home {
  readonly engine: Engine;

  constructor(more = "", { shared = true, forged = "refuse" } = {}) {
    super();
    this.write("keys/greg", `k1 ${CREATED} greg ${SECRET}\n`, 0o600);
    this.write("keys/ann", `k1 ${CREATED} ann ${SECRET}\n`, 0o600);
    this.configure(more, { shared, forged });
    this.engine = new Engine(this.source);
  }

  get source() {
    return { file: `${this.path}/site.toml`, home: this.path };
  }

  configure(more = "", { shared = true, forged = "refuse" } = {}): void {
    const identity = (user: string) =>
      `[[identity]]\naddress = "${user}@example.org"\nsrs_domain = "srs.example.org"\nkeys = "keys/${user}"\n` +
      `logins = ["${user}"]\n`;
    this.write(
      "site.toml",
      `${identity("greg")}${identity("ann")}[state]\nfolder = "state"\nshared = ${shared}\n` +
        `[transport]\npreset = "postfix"\n[incoming]\nforged = "${forged}"\n[serve]\nsocket_folder = "sockets"\n${more}\n`,
    );
  }

  /** An identity by its user. */
  identity(user: string): Identity {
    return loadIdentities(this.engine.loaded.settings).find((one) => one.address.local === user)!;
  }

  /** The log, without its times. */
  log(): string[] {
    return this.read("state/log").split("\n").filter((line) => line !== "").map((line) => line.replace(/^\S+ /, ""));
  }
}
