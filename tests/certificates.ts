/**
 * A private CA and certificates signed by it, made with openssl, because Deno rejects self-signed server certificates.
 */

/** A CA with its files in a temporary folder. */
export class Authority {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-ca-" });
  /** The file with the CA certificate. */
  readonly ca = `${this.folder}/ca.pem`;

  static async make(name = "Test CA"): Promise<Authority> {
    const authority = new Authority();
    await authority.#openssl("req", "-x509", ...KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", `/CN=${name}`);
    return authority;
  }

  /** A certificate as `openssl req -x509` makes it: signed by itself, and that of a CA. */
  async self(names: string): Promise<{ cert: string; key: string }> {
    const files = [
      "-keyout",
      "self.key",
      "-out",
      "self.pem",
      "-subj",
      "/CN=self",
      "-addext",
      `subjectAltName=${names}`,
    ];
    await this.#openssl("req", "-x509", ...KEY, ...files);
    return this.#pair("self");
  }

  /** A certificate for these names, such as `DNS:localhost,IP:127.0.0.1`, valid for that many days. */
  async leaf(names: string, days = 2): Promise<{ cert: string; key: string }> {
    Deno.writeTextFileSync(`${this.folder}/leaf.ext`, `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`);
    await this.#openssl("req", ...KEY, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=leaf");
    const signs = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "leaf.ext"];
    await this.#openssl("x509", "-req", "-in", "leaf.csr", ...signs, "-days", `${days}`, "-out", "leaf.pem");
    return this.#pair("leaf");
  }

  #pair(name: string): { cert: string; key: string } {
    const read = (ending: string) => Deno.readTextFileSync(`${this.folder}/${name}.${ending}`);
    return { cert: read("pem"), key: read("key") };
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
