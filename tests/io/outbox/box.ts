/** An outbox in a temporary folder, with a clock of its own. */
import { outboxContext } from "../../../io/outbox/context.ts";
import { submitMessage } from "../../../io/outgoing/submit.ts";
import { readInput } from "../../../io/system/input.ts";
import { loadIdentities } from "../../../io/system/load.ts";
import { runOutbox } from "../../../io/outbox/run.ts";
import { createEntry, idsIn, listEntries } from "../../../io/outbox/store.ts";
import { parseAddress } from "../../../lib/address.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { parseConfig, type Settings } from "../../../lib/settings/parse.ts";
import type { OutboxEntry } from "../../../outgoing/outbox/entry.ts";
import { CREATED, SECRET, TempFolder } from "../../rig.ts";
import { toServer } from "../../outbox_home.ts";

const NEVER = new AbortController().signal;

export class Box implements Disposable {
  readonly #temp = new TempFolder();
  readonly path = this.#temp.path;
  readonly folder = `${this.path}/state/outbox`;
  /** The time of the next run. */
  now = Date.now();
  settings: Settings;
  readonly #abort = new AbortController();

  constructor(transport: string, more = "") {
    Deno.writeTextFileSync(`${this.path}/keys`, `k1 ${CREATED} ${SECRET}\n`, { mode: 0o600 });
    this.settings = this.configure(transport, more);
  }

  /** Replaces the settings: the transport, or the port of a server without TLS. */
  configure(transport: string | number, more = ""): Settings {
    const text = `state.folder = "${this.path}/state"\noutbox.when = "always"\n${more}\n` +
      `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "srs.example.org"\n` +
      (typeof transport === "number" ? toServer(transport) : transport || toServer(1));
    return this.settings = parseConfig(text, { file: `${this.path}/config.toml`, home: this.path });
  }

  /** Puts a message into the queue. @returns its name */
  async keep(to: string | string[], more: Partial<OutboxEntry> = {}): Promise<string> {
    const all = [to].flat();
    const head = utf8(`From: greg@example.org\nTo: ${all}\nMessage-ID: <${crypto.randomUUID()}@example.org>\n\n`);
    const body = utf8("Hi.\n");
    using locked = await createEntry(this.folder, { head, body: once(body), whole: true });
    locked.commit({
      created: this.now,
      next: this.now,
      size: head.length + body.length,
      account: "",
      sender: { address: parseAddress("greg@example.org"), scheme: "srs" },
      dsn: {},
      recipients: all.map((one) => ({ address: parseAddress(one), state: "waiting", reply: "", reported: false })),
      owner: parseAddress("greg@example.org"),
      attempts: 0,
      unreachable: false,
      hold: false,
      report: false,
      ...more,
    });
    return locked.id;
  }

  /** Sends a message as the shim does. @returns the error; empty if there is none */
  async submit(text: string, to: readonly string[], when: "failed" | "always", abort = NEVER): Promise<string> {
    Deno.writeTextFileSync(`${this.path}/mail`, text);
    using file = Deno.openSync(`${this.path}/mail`);
    const input = await readInput(65_536, true, file);
    const request = {
      ...{ sender: undefined, fullName: "", recipientsFrom: "arguments" as const, dsn: {} },
      recipients: to.map((one) => parseAddress(one)),
    };
    const settings = { ...this.settings, outbox: { ...this.settings.outbox, when } };
    const identities = loadIdentities(settings);
    return await submitMessage({ settings, identities, request, input, abort }).then(() => "", String);
  }

  /** Runs the outbox at the time of its clock. @returns the lines that it printed */
  async run(): Promise<string[]> {
    const printed: string[] = [];
    const context = outboxContext(this.settings, this.#abort.signal, (line) => printed.push(line));
    await runOutbox({ ...context, clock: () => new Date(this.now) });
    return printed;
  }

  /** Advances the clock, and runs. */
  async runAfter(milliseconds: number): Promise<string[]> {
    this.now += milliseconds;
    return await this.run();
  }

  /** The entries of the queue, the oldest first. */
  get queue(): OutboxEntry[] {
    return listEntries(this.folder).map(({ entry }) => entry!);
  }

  names(folder: string): string[] {
    return idsIn(`${this.folder}/${folder}`);
  }

  /** Stops runs, as a signal does. */
  stop(): void {
    this.#abort.abort();
  }

  get log(): string {
    try {
      return Deno.readTextFileSync(`${this.path}/state/log`);
    } catch {
      return "";
    }
  }

  [Symbol.dispose](): void {
    this.#temp[Symbol.dispose]();
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
