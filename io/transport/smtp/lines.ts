/**
 * A message as SMTP sends it: every line ends with CRLF, and a line that begins
 * with a dot gets a second one (RFC 5321 section 4.5.2).
 *
 * RFC 5321 section 2.3.8 allows CR and LF only as a pair. A bare LF is the line
 * end of Unix; a bare CR is taken for a line end as well, because a server that
 * does so would otherwise see lines that we did not: `CR . CR` must not end the
 * message there, nor hide a command in it. What we send has neither, so that no
 * two servers can disagree about where the message ends.
 */

/** Bytes that are encoded in one go, and bytes that are collected before they are sent. */
const [PIECE, ENOUGH] = [64 * 1024, 64 * 1024];

const [LF, CR, DOT] = [10, 13, 46];

/** Encodes a message piece by piece, in one buffer that is used again. */
export class SmtpLines {
  /**
   * What was encoded grows from the front, and the piece being encoded is at the back. Each byte becomes two at most, so
   * that the first never reaches what is left of the second.
   */
  #buffer = new Uint8Array(ENOUGH + 2 * PIECE);
  #size = 0;
  #lineStart = true;
  /** Was the last byte a CR, whose CRLF is already written? */
  #afterCr = false;
  #dots = 0;
  #sent = 0;

  /** The size of the message so far, as the SIZE extension counts it: without the dots that were added (RFC 1870). */
  get messageSize(): number {
    return this.#sent + this.#size - this.#dots;
  }

  /** Encodes a part of the message. @returns pieces to be sent, each valid until the next one is asked for */
  *encode(part: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < part.length; at += PIECE) {
      this.#encode(part.subarray(at, at + PIECE));
      if (this.#size >= ENOUGH) yield this.#take();
    }
  }

  /** Ends the last line. @returns what is left to be sent, with the final dot at its end */
  end(): Uint8Array {
    if (!this.#lineStart) this.#endLine();
    this.#buffer[this.#size++] = DOT;
    this.#dots++;
    this.#endLine();
    return this.#take();
  }

  #take(): Uint8Array {
    const piece = this.#buffer.subarray(0, this.#size);
    this.#sent += this.#size;
    this.#size = 0;
    return piece;
  }

  /** Searching and moving are left to the engine: byte by byte, the loop takes ten times as long in lite mode. */
  #encode(piece: Uint8Array): void {
    const buffer = this.#buffer;
    const back = buffer.length - piece.length;
    buffer.set(piece, back);
    let at = this.#afterCr && piece[0] === LF ? 1 : 0;
    this.#afterCr = false;
    let [lf, cr] = [find(piece, LF, at), find(piece, CR, at)];
    while (at < piece.length) {
      const stop = Math.min(lf, cr);
      if (this.#lineStart && piece[at] === DOT) {
        buffer[this.#size++] = DOT;
        this.#dots++;
      }
      buffer.copyWithin(this.#size, back + at, back + stop);
      this.#size += stop - at;
      if (stop === piece.length) {
        this.#lineStart = false;
        return;
      }
      this.#endLine();
      at = stop + 1;
      if (stop === lf) lf = find(piece, LF, at);
      else {
        if (at === piece.length) this.#afterCr = true;
        else if (lf === at) lf = find(piece, LF, ++at);
        cr = find(piece, CR, at);
      }
    }
  }

  #endLine(): void {
    this.#buffer[this.#size++] = CR;
    this.#buffer[this.#size++] = LF;
    this.#lineStart = true;
  }
}

/** Bytes of a message with CRLF line ends, as SMTP counts them (RFC 1870 section 3); a bare CR is sent as CRLF, too. */
export function sizeWithCrlf(message: Uint8Array): number {
  let size = message.length;
  for (let at = -1; (at = message.indexOf(LF, at + 1)) >= 0;) if (message[at - 1] !== CR) size++;
  for (let at = -1; (at = message.indexOf(CR, at + 1)) >= 0;) if (message[at + 1] !== LF) size++;
  const last = message.at(-1) ?? LF;
  return last === LF || last === CR ? size : size + 2;
}

/** Where the byte is, or the end. */
function find(bytes: Uint8Array, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}
