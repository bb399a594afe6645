/**
 * A private CA and certificates signed by it, made with openssl, because Deno rejects self-signed server certificates.
 */

/** A CA with its files in a temporary folder. */
export class Authority {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-ca-" });
  /** The file with the CA certificate. */
  readonly ca = `${this.folder}/ca.pem`;

  static async make(): Promise<Authority> {
    const authority = new Authority();
    await authority.#openssl("req", "-x509", ...KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA");
    return authority;
  }

  /** A certificate for these names, such as `DNS:localhost,IP:127.0.0.1`, valid for that many days. */
  async leaf(names: string, days = 2): Promise<{ cert: string; key: string }> {
    Deno.writeTextFileSync(`${this.folder}/leaf.ext`, `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`);
    await this.#openssl("req", ...KEY, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf");
    const signs = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "leaf.ext"];
    await this.#openssl("x509", "-req", "-in", "leaf.csr", ...signs, "-days", `${days}`, "-out", "leaf.pem");
    const read = (name: string) => Deno.readTextFileSync(`${this.folder}/${name}`);
    return { cert: read("leaf.pem"), key: read("leaf.key") };
  }

  async #openssl(...args: string[]): Promise<void> {
    const { success, stderr } = await new Deno.Command("openssl", { args, cwd: this.folder, stdin: "null" }).output();
    if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
