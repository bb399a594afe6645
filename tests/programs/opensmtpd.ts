/** Shared by the tests that run the real OpenSMTPD in a root of its own, with an installed filter. */
import { Home } from "../rig.ts";
import type { Installed } from "./installation.ts";
import { freePort, until } from "./postfix.ts";
import { type Root, unpacked } from "./unpacked.ts";

/** The function that registers tests, and the one that unpacks OpenSMTPD for a test. */
export const opensmtpd = () =>
  unpacked("opensmtpd", "zlib1g", "libgcc-s1", "dash", "coreutils", "libc-bin", "sed", "debianutils");

/** The user of smtpd, whose group opens the socket `lookup`. */
export const SMTPD = 4811;

/** smtpd with its filter, until it is disposed of. */
export class OpenSmtpd implements AsyncDisposable {
  readonly port = freePort();
  readonly home = new Home();
  /** Where the socket `lookup` belongs. */
  readonly socket: string;
  #ended = false;

  constructor(readonly root: Root, readonly installed: Installed) {
    for (const [name, id] of [["opensmtpd", SMTPD], ["opensmtpq", SMTPD + 1]] as const) {
      root.write(
        "etc/passwd",
        `${root.read("etc/passwd")}${name}:x:${id}:${id}::/var/lib/opensmtpd/empty:/bin/false\n`,
      );
      root.write("etc/group", `${root.read("etc/group")}${name}:x:${id}:\n`);
    }
    for (const folder of ["var/lib/opensmtpd/empty", "var/spool/smtpd", "run/countersign", "var/mail"]) {
      Deno.mkdirSync(`${root.path}/${folder}`, { recursive: true });
    }
    Deno.chmodSync(`${root.path}/var/spool/smtpd`, 0o711);
    root.write("etc/mailname", "mx.example.org\n");
    this.socket = `${root.path}/run/countersign/lookup`;
  }

  /** The path of the filter. */
  get filter(): string {
    return this.installed.hook.replace(/incoming$/, "opensmtpd");
  }

  /** Starts smtpd with this configuration, and waits until it listens. */
  async start(config: string, more: string[] = []): Promise<void> {
    this.root.write("etc/smtpd.conf", config);
    this.root.write("tmp/run", `#!/bin/sh\nexec /usr/sbin/smtpd -d -f /etc/smtpd.conf >/tmp/log 2>&1\n`, 0o755);
    void this.root.startWith([this.installed.folder, this.installed.home.path, "/proc", ...more], ["/tmp/run"]).then(
      () => this.#ended = true,
    );
    await until("OpenSMTPD", async () => {
      if (this.#ended) throw new Error(this.log());
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port: this.port })).close();
        return true;
      } catch {
        return false;
      }
    }, this.log);
  }

  /** Whether smtpd still runs. */
  get runs(): boolean {
    return !this.#ended;
  }

  log = (): string => this.root.read("tmp/log");

  async [Symbol.asyncDispose](): Promise<void> {
    await this.root.stop();
    this.home[Symbol.dispose]();
  }
}
