/**
 * Encodes a message for SMTP: every line ends with CRLF, and a line that begins
 * with a dot gets another one (RFC 5321 section 4.5.2).
 *
 * RFC 5321 section 2.3.8 allows CR and LF only as a pair. A bare LF is a Unix
 * line end. A bare CR is treated as a line end, too, because some servers do
 * so: for them `CR . CR` would end the message, and the rest would be commands
 * (SMTP smuggling). Both are sent as CRLF, so that all servers agree where the
 * message ends.
 */

/** Bytes that are encoded at a time, and bytes that are buffered before they are sent. */
const [PIECE_BYTES, BUFFERED_BYTES] = [64 * 1024, 64 * 1024];

const [LF, CR, DOT] = [10, 13, 46];

/** Encodes a message piece by piece in a reused buffer. */
export class SmtpLines {
  /**
   * Encoded data starts at the front, and the piece being encoded is at the end. A byte becomes at most two, so the
   * encoded data never overwrites the rest of the piece.
   */
  #buffer = new Uint8Array(BUFFERED_BYTES + 2 * PIECE_BYTES);
  #size = 0;
  #lineStart = true;
  /** Whether the last byte was a CR, for which CRLF has been written. */
  #afterCr = false;
  #dots = 0;
  #sent = 0;

  /** Size of the message so far as counted by the SIZE extension, without the added dots (RFC 1870). */
  get messageSize(): number {
    return this.#sent + this.#size - this.#dots;
  }

  /** Encodes a part of the message. @returns pieces to send, each valid until the next iteration */
  *encode(part: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < part.length; at += PIECE_BYTES) {
      this.#encode(part.subarray(at, at + PIECE_BYTES));
      if (this.#size >= BUFFERED_BYTES) yield this.#take();
    }
  }

  /** Ends the last line. @returns the rest of the message and the final dot */
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

  /** Encodes one piece. Uses indexOf and copyWithin, because a loop over bytes takes ten times as long in lite mode. */
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

/** Returns the size of a message with CRLF line ends (RFC 1870 section 5); a bare CR is sent as CRLF, too. */
export function sizeWithCrlf(message: Uint8Array): number {
  let size = message.length;
  for (let at = -1; (at = message.indexOf(LF, at + 1)) >= 0;) if (message[at - 1] !== CR) size++;
  for (let at = -1; (at = message.indexOf(CR, at + 1)) >= 0;) if (message[at + 1] !== LF) size++;
  const last = message.at(-1) ?? LF;
  return last === LF || last === CR ? size : size + 2;
}

/** Returns the index of the byte, or the length. */
function find(bytes: Uint8Array, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from);
  return at < 0 ? bytes.length : at;
}
