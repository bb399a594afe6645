/** Postfix instances for tests, and what a stranger does with them. */
import { lacking, type Test, tests } from "./need.ts";

export { freePort, Postfix, type Setup, writeMain } from "../../build/rig/postfix.ts";

/** Returns a function that registers tests which need Postfix, which only root can start, and these programs. */
export async function needPostfix(...others: string[]): Promise<Test> {
  const missing = Deno.uid() === 0 ? [] : ["only root can start Postfix"];
  for (const program of ["postfix", ...others]) missing.push(await lacking(program));
  return tests(missing.filter((reason) => reason !== "").join(", "));
}

/** Waits until the condition holds, for at most half a minute. */
export async function until(
  what: string,
  done: () => boolean | Promise<boolean>,
  more: () => string = () => "",
): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await done()) return;
    await new Promise((next) => setTimeout(next, 50));
  }
  throw new Error(`Timeout waiting for ${what}; ${more()}`);
}

/**
 * Sends a message to an SMTP server as a stranger would.
 *
 * @param sender may be followed by `>` and parameters of MAIL; likewise the recipient by those of RCPT
 * @param first a command before MAIL
 * @returns the last reply
 */
export async function smtp(
  port: number,
  sender: string,
  recipient: string,
  mail: string,
  first?: string,
): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(4096);
  const reply = async () => {
    let text = "";
    while (!/^\d{3} .*\r\n$/m.test(text)) {
      const size = await connection.read(buffer);
      if (size === null) throw new Error(`The server hung up: ${text}`);
      text += new TextDecoder().decode(buffer.subarray(0, size));
    }
    return text;
  };
  const command = async (line: string) => {
    let rest = new TextEncoder().encode(`${line}\r\n`);
    while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
    return await reply();
  };
  await reply();
  await command("EHLO stranger.example");
  const answer = first === undefined ? "250 " : await command(first);
  if (!/^[23]/.test(answer)) return answer;
  const path = (address: string) => address.includes(">") ? `<${address}` : `<${address}>`;
  for (const line of [`MAIL FROM:${path(sender)}`, `RCPT TO:${path(recipient)}`, "DATA"]) {
    const answer = await command(line);
    if (!/^[23]/.test(answer)) return answer;
  }
  const dotted = mail.replace(/\r?\n/g, "\r\n").replace(/^\./gm, "..");
  return await command(`${dotted}${dotted.endsWith("\r\n") ? "" : "\r\n"}.`);
}
