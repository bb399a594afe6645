/** An engine with the socket `lookup`, and hooks/queue with a qmail-queue behind it. */
import assert from "node:assert/strict";
import { rememberSent } from "../../io/state/sent.ts";
import { sandboxFile } from "../../lib/paths.ts";
import { permissions, sandboxText } from "../../lib/settings/sandbox.ts";
import { Home, ROOT } from "../rig.ts";
import { EngineHome } from "../serve/engine.ts";
import { LookupServer } from "../serve/lookup/asking.ts";
import { qmailSmtpd, queueStub, type SmtpdOptions } from "./qmail_smtpd.ts";

const QUEUE = `${ROOT}/hooks/queue`;

/** The address ann@example.org has moved; <known@example.org> was sent unsigned. */
export class QueueSite implements AsyncDisposable {
  readonly home = new Home();
  private constructor(readonly engine: EngineHome, readonly server: LookupServer) {}

  static async start(): Promise<QueueSite> {
    const engine = new EngineHome(`contact = "joe@example.org"\nmoved = "moved"`);
    const server = await LookupServer.start({ loaded: () => engine.engine.loaded, store: undefined });
    const site = new QueueSite(engine, server);
    engine.write("moved", "ann@example.org ann@example.net\n");
    assert.equal(engine.engine.reload(), undefined);
    rememberSent(`${engine.path}/state/sent`, engine.identity("greg"), "<known@example.org>", false, new Date());
    queueStub(site.home);
    return site;
  }

  get env(): Record<string, string> {
    return {
      COUNTERSIGN_QUEUE: `${this.home.path}/bin/qmail-queue`,
      COUNTERSIGN_LOOKUP: this.server.path,
      COUNTERSIGN_CONFIG: `${this.engine.path}/site.toml`,
      TMPDIR: this.home.path,
    };
  }

  send(sender: string, recipients: string[], mail: string | Uint8Array, options: SmtpdOptions = {}) {
    const message = typeof mail === "string" ? new TextEncoder().encode(mail) : mail;
    const env = { ...this.env, ...options.env };
    return qmailSmtpd(this.home, QUEUE, { sender, recipients, message }, { ...options, env });
  }

  /** Writes the sandbox file, as `countersign sandbox` does, so that most mail passes without a query. */
  sandbox(): string {
    const { settings } = this.engine.engine.loaded;
    const { source } = this.engine;
    const path = sandboxFile(source.file);
    const text = sandboxText(permissions(settings, source), settings);
    this.engine.write(path.slice(this.engine.path.length + 1), text);
    const before = new Date(Date.now() - 1000);
    Deno.utimeSync(source.file, before, before);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.engine[Symbol.dispose]();
    this.home[Symbol.dispose]();
  }
}

/** Bytes that a text filter would change, without a line end. */
export const RAW = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7919) % 256);
