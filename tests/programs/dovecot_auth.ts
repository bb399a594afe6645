/** Dovecot as what Postfix asks about logins (SASL): a socket, users with passwords, all in a temporary folder. */
import { until } from "./postfix.ts";

/** One instance. It runs until it is disposed of. */
export class DovecotAuth {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-dovecot-" });
  #master: Deno.ChildProcess | undefined;

  /**
   * @param socket where clients ask
   * @param users names and passwords
   * @param service the settings of the socket
   */
  static async start(
    socket: string,
    users: Record<string, string>,
    service = `service auth {\n  unix_listener ${socket} {\n    mode = 0666\n  }\n}\n`,
  ): Promise<DovecotAuth> {
    const one = new DovecotAuth();
    const { folder } = one;
    Deno.chmodSync(folder, 0o755);
    const lines = Object.entries(users).map(([name, password]) => `${name}:{PLAIN}${password}\n`);
    Deno.writeTextFileSync(`${folder}/users`, lines.join(""));
    Deno.writeTextFileSync(
      `${folder}/dovecot.conf`,
      `base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/log
protocols =
ssl = no
auth_mechanisms = plain login
passdb {
  driver = passwd-file
  args = ${folder}/users
}
${service}`,
    );
    one.#master = new Deno.Command("dovecot", {
      args: ["-F", "-c", `${folder}/dovecot.conf`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const listens = () => {
      try {
        return Deno.lstatSync(socket).isSocket === true;
      } catch {
        return false;
      }
    };
    await until("Dovecot", listens, () => Deno.readTextFileSync(`${folder}/log`));
    return one;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#master?.kill("SIGTERM");
    await this.#master?.status;
    Deno.removeSync(this.folder, { recursive: true });
  }
}
