/** Writes programs for tests that start other programs at the same time. */

/**
 * Writes an executable file. A child process writes it: a process that this one is starting at the same moment, in
 * another test, has all open files of this process until its exec, and the system refuses to run a file that is open
 * for writing ("Text file busy").
 */
export function writeExecutable(path: string, text: string | Uint8Array, mode = 0o755): void {
  const draft = Deno.makeTempFileSync({ prefix: "countersign-" });
  try {
    Deno.writeFileSync(draft, typeof text === "string" ? new TextEncoder().encode(text) : text);
    const { success, stderr } = new Deno.Command("cp", { args: ["--", draft, path], stdin: "null" }).outputSync();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    Deno.chmodSync(path, mode);
  } finally {
    Deno.removeSync(draft);
  }
}
