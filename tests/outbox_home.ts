/** A home with an outbox that sends to a mail server of the test. */
import { Home } from "./rig.ts";
import type { Sink } from "./smtp_sink.ts";

/** A message from greg. */
export const letter = (id: string, to = "ann@example.net", body = "Hi.\n"): string =>
  `From: Greg <greg@example.org>\nTo: ${to}\nSubject: A letter\nMessage-ID: <${id}@example.org>\n\n${body}`;

/** The settings of a server on this machine. */
export const toServer = (port: number, more = ""): string =>
  `[transport]\nvia = "smtp"\nhost = "127.0.0.1"\nport = ${port}\nsecurity = "none"\n${more}`;

export class OutboxHome extends Home {
  /** Below the home. */
  readonly outbox = ".local/state/countersign/outbox";

  /** Settings with an outbox in front of this server. */
  serve(sink: Pick<Sink, "port">, when: "failed" | "always", more = ""): void {
    this.settings(`${toServer(sink.port)}[outbox]\nwhen = "${when}"\n${more}`);
  }

  /** The names in one of the folders of the outbox, sorted. */
  names(folder: "queue" | "tmp" | "damaged" | "undelivered"): string[] {
    try {
      return [...Deno.readDirSync(`${this.path}/${this.outbox}/${folder}`)].map(({ name }) => name).sort();
    } catch {
      return [];
    }
  }

  // deno-lint-ignore no-explicit-any -- the JSON of an entry
  entry(id = this.names("queue")[0]!): any {
    return JSON.parse(this.read(`${this.outbox}/queue/${id}/entry.json`));
  }

  /** Changes the JSON of an entry. */
  change(changes: Record<string, unknown>, id = this.names("queue")[0]!): void {
    this.write(`${this.outbox}/queue/${id}/entry.json`, JSON.stringify({ ...this.entry(id), ...changes }), 0o600);
  }

  /** Makes all entries due. */
  due(): void {
    for (const id of this.names("queue")) this.change({ next: new Date(0).toISOString() }, id);
  }

  /** The lines of the log. */
  log(): string[] {
    return this.read(".local/state/countersign/log").trimEnd().split("\n");
  }
}
