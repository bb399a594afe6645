/** Counts the lines of the log for `countersign report`. */
import { RESULTS } from "../../incoming/verdict.ts";
import { Counter } from "./counter.ts";

/** Different reasons that are counted, and different domains. */
const [MAX_REASONS, MAX_DOMAINS] = [200, 10_000];

/** A line of the log. */
type Line = ReadonlyMap<string, string>;

/** Results of outgoing messages that somebody has accepted: a program, a server, or the outbox. */
const ACCEPTED = ["sent", "queued", "signed", "passed"];

/** What was counted. */
export class Tally {
  /** Signed messages by the scheme of their sender, and the reasons of those that were not signed. */
  readonly signed = new Counter(MAX_REASONS);
  readonly unsigned = new Counter(MAX_REASONS);
  /** Reasons of messages, or of recipients in the outbox, that were rejected. */
  readonly failed = new Counter(MAX_REASONS);
  /** Outgoing messages that were deferred: attempts of the outbox, and messages that `serve` could not sign. */
  delayed = 0;
  /** Messages that were sent but could not be remembered. */
  forgotten = 0;
  /** Messages that the hook or sweep has judged, by result; deferred ones are counted again when they are delivered. */
  readonly incoming = new Counter(RESULTS.length);
  deferred = 0;
  /** What happened to forged messages, and to those that only may be forged. */
  readonly forged = new Counter(MAX_REASONS);
  /** What `serve` refused, by result or check; what it accepted, by result; and what it deferred. */
  readonly refused = new Counter(MAX_REASONS);
  readonly passed = new Counter(RESULTS.length);
  doorDeferred = 0;
  /** The domains that sent bounces of mail that the user did not send. */
  readonly backscatter = new Counter(MAX_DOMAINS);
  /** Errors that were logged beside a decision. */
  readonly errors = new Counter(MAX_REASONS);
  /** All lines about mail, the tests of doctor among them, and lines that could not be parsed. */
  lines = 0;
  probes = 0;
  damaged = 0;

  /** Counts a line. */
  add(line: Line): void {
    const direction = line.get("direction") ?? line.get("way");
    if (direction !== "in" && direction !== "out") return;
    this.lines++;
    if (line.has("probe")) {
      this.probes++;
      return;
    }
    const error = line.get("error");
    if (error !== undefined) this.errors.add(error);
    if (direction === "out") this.#out(line);
    else if (line.has("at")) this.#door(line);
    else this.#delivered(line);
  }

  #out(line: Line): void {
    const [result = "", why, scheme = "none"] = [line.get("result"), line.get("why"), line.get("scheme")];
    if (line.has("forgotten")) this.forgotten++;
    if (line.has("attempt")) {
      // The message itself was counted when it entered the outbox.
      if (result === "failed") this.failed.add(why ?? "rejected");
      else if (result === "queued") this.delayed++;
    } else if (ACCEPTED.includes(result)) {
      // The shim has counted it already, if it logs here.
      if (why === "already signed") return;
      // What a hook forwards passes the socket sign again. Bounces and receipts are never signed.
      if (result === "passed" && line.get("sender") === "<>") return;
      const reason = why ?? line.get("error");
      if (reason === undefined) this.signed.add(scheme);
      else this.unsigned.add(reason);
    } else if (result === "failed" || result === "refused") this.failed.add(why ?? "unknown");
    else if (result === "deferred") this.delayed++;
  }

  #delivered(line: Line): void {
    const [result, outcome = "unknown"] = [line.get("result"), line.get("outcome")];
    if (outcome === "defer") {
      this.deferred++;
      return;
    }
    if (result === undefined) return;
    this.incoming.add(result);
    if (!["forged", "suspect", "unsure"].includes(result)) return;
    this.forged.add(`${result} ${outcome}`);
    this.#blame(line);
  }

  #door(line: Line): void {
    const [result, outcome] = [line.get("result"), line.get("outcome")];
    if (outcome === "refused") {
      this.refused.add(result ?? line.get("check") ?? "unknown");
      if (result === "forged") this.#blame(line);
    } else if (outcome === "deferred") this.doorDeferred++;
    // The same recipient may be looked up by a map or a policy service, and judged by the milter.
    else if (result !== undefined && !["map", "policy"].includes(line.get("at")!)) this.passed.add(result);
  }

  #blame(line: Line): void {
    const domain = line.get("from")?.replace(/^@/, "") ?? hostDomain(line.get("client"));
    if (domain !== undefined) this.backscatter.add(domain);
  }
}

/** Returns the domain of a host; of `mx1.example.net` it is `example.net`. */
function hostDomain(host: string | undefined): string | undefined {
  return host?.toLowerCase().replace(/^[^.]+\.(?=[^.]+\.[^.])/, "");
}
