/**
 * Passes an SMTP session between a client and a server, and keeps track of the command to which each reply belongs. It
 * ends the content of a message only at CRLF.CRLF. A dot next to a bare LF ends the session: the server may see the end
 * of the message there, and what follows would reach it unfiltered.
 */
import { decodeLatin1, encodeLatin1 } from "../lib/bytes.ts";
import { type FilterContext, filterLine, filterReply, filterRequest } from "./fixsmtpio_filter.ts";

/** The two ends of a session. */
export interface ProxyEnds {
  /** Returns what the client has sent next; undefined when it has disconnected. */
  readonly fromClient: () => Promise<Uint8Array | undefined>;
  readonly fromServer: () => Promise<Uint8Array | undefined>;
  readonly toClient: (bytes: Uint8Array) => Promise<void>;
  readonly toServer: (bytes: Uint8Array) => Promise<void>;
  /** Closes the input of the server, because the client has disconnected. */
  readonly endServer: () => Promise<void>;
  /** Traces what is passed on: `1` `2` a command, `3` `4` a reply, each before and after, `D` content. */
  readonly trace: (what: string, text: string) => void;
}

/** Longest command, and longest line of a reply. */
const MAX_LINE_BYTES = 16 * 1024;

const REFUSED = "451 fixsmtpio: bare LF at the end of a message (#5.6.0)\r\n";
const UNIMPLEMENTED = "502 unimplemented (#5.5.1)\r\n";

/** The session. */
export class Proxy {
  /** The commands to which the next replies belong. */
  readonly #events = ["greeting"];
  /** What the client has sent and was not passed on. */
  #client = "";
  #server = "";
  #content: "no" | "asked" | "yes" = "no";
  /** Whether the line before in the content ended with CRLF, and whether the beginning of this line was passed on. */
  #afterCrlf = true;
  #midLine = false;
  #answered: () => void = () => {};
  #exit: number | undefined;
  #over = false;

  constructor(readonly ends: ProxyEnds, readonly context: FilterContext) {}

  /** Runs until either end disconnects, or a rule has an exit status. @returns that status, if any */
  async run(): Promise<number | undefined> {
    const stopped = this.#pump();
    await Promise.race([this.#replies(), stopped.then(() => new Promise<never>(() => {}))]);
    this.#over = true;
    this.#answered();
    return this.#exit;
  }

  /** Passes commands to the server. */
  async #pump(): Promise<void> {
    while (!this.#over) {
      const bytes = await this.ends.fromClient();
      if (this.#over) return;
      if (bytes === undefined) {
        this.#exit ??= filterLine("clienteof", this.#client, 0, this.context).exit; // a reply may have decided already
        await this.ends.endServer();
        return;
      }
      this.#client += decodeLatin1(bytes);
      while (await this.#next());
    }
  }

  /** Passes on one command, or some content. @returns whether there may be more */
  async #next(): Promise<boolean> {
    // Until the server has replied to DATA, it is unknown what follows.
    while (this.#content === "asked" && !this.#over) await new Promise<void>((done) => this.#answered = done);
    if (this.#over) return false;
    if (this.#content === "yes") return await this.#passContent();
    const end = this.#client.indexOf("\n");
    if (end < 0) {
      if (this.#client.length > MAX_LINE_BYTES) await this.#stop("500 fixsmtpio: line too long (#5.5.2)\r\n");
      return false;
    }
    const line = this.#client.slice(0, end + 1);
    this.#client = this.#client.slice(end + 1);
    await this.#passCommand(line);
    return this.#client !== "";
  }

  async #passCommand(line: string): Promise<void> {
    this.ends.trace("1", line);
    const event = /^[^ \r\n]*/.exec(line)![0].toLowerCase();
    this.#events.push(event);
    const filtered = filterRequest(event, line, this.context);
    // TLS is for the program in front. The server must reply to something, so that replies stay in order.
    const request = event === "starttls" && filtered === line ? `NOOP fixsmtpio ${line}` : filtered;
    if (event === "data") this.#content = "asked";
    this.ends.trace("2", request);
    await this.ends.toServer(encodeLatin1(request));
  }

  /** Passes on content up to its end, or what has arrived. @returns whether commands follow */
  async #passContent(): Promise<boolean> {
    let at = 0;
    for (let end; (end = this.#client.indexOf("\n", at)) >= 0; at = end + 1) {
      const line = this.#midLine ? "more" : this.#client.slice(at, end);
      const [afterCrlf, crlf] = [this.#afterCrlf, this.#client[end - 1] === "\r"];
      [this.#midLine, this.#afterCrlf] = [false, crlf];
      if (line === ".\r" && afterCrlf) {
        [this.#content, this.#afterCrlf] = ["no", true];
        await this.#passBytes(end + 1);
        return this.#client !== "";
      }
      if (line === "." || line === ".\r") {
        await this.#stop(REFUSED);
        return false;
      }
    }
    // Held are a line that may become a lone dot, and a CR that may become CRLF.
    const open = this.#client.slice(at);
    const hold = !this.#midLine && /^\.?\r?$/.test(open) ? open.length : open.endsWith("\r") ? 1 : 0;
    this.#midLine ||= open.length > hold;
    await this.#passBytes(this.#client.length - hold);
    return false;
  }

  async #passBytes(count: number): Promise<void> {
    const text = this.#client.slice(0, count);
    this.#client = this.#client.slice(count);
    if (text === "") return;
    this.ends.trace("D", text);
    await this.ends.toServer(encodeLatin1(text));
  }

  async #stop(reply: string): Promise<void> {
    this.#over = true;
    this.#exit ??= 75;
    await this.ends.toClient(encodeLatin1(reply));
    await this.ends.endServer();
  }

  /** Passes replies to the client, until the server disconnects or a rule has an exit status. */
  async #replies(): Promise<void> {
    for (let bytes; (bytes = await this.ends.fromServer()) !== undefined;) {
      if (this.#over) continue;
      this.#server += decodeLatin1(bytes);
      for (let reply; (reply = this.#takeReply()) !== undefined;) {
        await this.#passReply(reply);
        if (this.#exit !== undefined) return;
      }
      if (this.#server.length > 64 * MAX_LINE_BYTES) throw new Error("The server's reply is too long");
    }
  }

  /** Takes a whole reply from what the server has sent: up to the line without a dash. */
  #takeReply(): string | undefined {
    const last = /^(?:[^\n]{3} [^\n]*|\d{3}\r?)\n/m.exec(this.#server);
    if (last === null) return undefined;
    const end = last.index + last[0].length;
    const reply = this.#server.slice(0, end);
    this.#server = this.#server.slice(end);
    return reply;
  }

  async #passReply(reply: string): Promise<void> {
    this.ends.trace("3", reply);
    const event = this.#events.shift() ?? "timeout";
    if (event === "data" && this.#content === "asked") {
      const accepted = reply.startsWith("354 ");
      if (accepted) this.#events.unshift("in_data");
      this.#content = accepted ? "yes" : "no";
    }
    const filtered = event === "starttls"
      ? { text: UNIMPLEMENTED, exit: undefined }
      : filterReply(event, reply, this.context);
    this.#exit = filtered.exit ?? this.#exit;
    this.ends.trace("4", filtered.text);
    await this.ends.toClient(encodeLatin1(filtered.text));
    this.#answered();
  }
}
