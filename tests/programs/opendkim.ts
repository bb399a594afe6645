/** opendkim as a second milter, with contrib/postfix/milter/opendkim.conf: it signs with a key of its own. */
import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { run } from "./postfix_milter.ts";
import { freePort, until } from "./postfix.ts";
import { plainSnippet } from "./site.ts";

/** An instance of opendkim, which runs until it is disposed of. */
export class OpenDkim {
  readonly folder = Deno.makeTempDirSync({ prefix: "countersign-opendkim-" });
  readonly port = freePort();
  #child: Deno.ChildProcess | undefined;

  static async start(): Promise<OpenDkim> {
    const one = new OpenDkim();
    const { folder } = one;
    run("openssl", "genrsa", "-out", `${folder}/key.pem`, "1024");
    Deno.writeTextFileSync(
      `${folder}/opendkim.conf`,
      `Syslog no
Mode s
Domain example.org
Selector test
KeyFile ${folder}/key.pem
InternalHosts 127.0.0.0/8
Socket inet:${one.port}@127.0.0.1
PidFile ${folder}/pid
RequireSafeKeys no
Background no
${plainSnippet("milter/opendkim.conf")}`,
    );
    one.#child = new Deno.Command("opendkim", {
      args: ["-f", "-x", `${folder}/opendkim.conf`],
      stdin: "null",
    }).spawn();
    await until("opendkim", async () => {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port: one.port })).close();
        return true;
      } catch {
        return false;
      }
    });
    return one;
  }

  /** The fields that the signature of a message (RFC 6376, simple canonicalization) covers. Fails if it is invalid. */
  verify(data: string): string[] {
    const fields = data.slice(0, data.indexOf("\r\n\r\n") + 2).split(/(?<=\r\n)(?![ \t])/);
    const named = (name: string) => fields.filter((one) => one.toLowerCase().startsWith(`${name.toLowerCase()}:`));
    const [signature] = named("DKIM-Signature");
    assert.ok(signature, data);
    const [, covered] = /;\s*h=([^;]+);/.exec(signature)!;
    const [, value] = /;\s*b=([^;]+)/.exec(signature)!;
    const names = covered!.split(":").map((name) => name.trim());
    const signed = names.map((name) => named(name).at(-1) ?? "");
    const text = signed.join("") + signature.replace(/(;\s*b=)[^;]+/, "$1").trimEnd();
    const key = createPublicKey(Deno.readTextFileSync(`${this.folder}/key.pem`));
    const bytes = (code: string) => Uint8Array.from(code, (character) => character.charCodeAt(0));
    const valid = verify("sha256", bytes(text), key, Uint8Array.fromBase64(value!.replace(/\s/g, "")));
    assert.ok(valid, `the signature of opendkim is invalid: ${data}`);
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#child?.status;
    Deno.removeSync(this.folder, { recursive: true });
  }
}
