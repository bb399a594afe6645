/** Reading lines from connections in tests of SMTP. */

/** Lines without their ending, as Latin-1. An incomplete last line is dropped, or yielded as `TEXT (incomplete)`. */
export async function* linesOf(
  connection: Deno.Conn,
  ending: "\r\n" | "\n" = "\r\n",
  incomplete: "drop" | "show" = "drop",
): AsyncGenerator<string, undefined> {
  const buffer = new Uint8Array(65_536);
  let held = "";
  for (let count; (count = await connection.read(buffer)) !== null;) {
    for (const byte of buffer.subarray(0, count)) held += String.fromCharCode(byte);
    const lines = held.split(ending);
    held = lines.pop()!;
    yield* lines;
  }
  if (held !== "" && incomplete === "show") yield `${held} (incomplete)`;
}
