/** Simulates a bad disk in the process of the test. */

/**
 * Runs `run` and counts the calls of a method of Deno.FsFile. Calls for which `fails` is true throw; other writes are
 * short, of at most three bytes.
 */
export async function countingDisk(
  method: "syncSync" | "writeSync",
  run: () => Promise<unknown>,
  fails: (nth: number) => boolean = () => false,
): Promise<number> {
  // deno-lint-ignore no-explicit-any
  const file = Deno.FsFile.prototype as any;
  const original = file[method];
  let nth = 0;
  file[method] = function (this: Deno.FsFile, bytes: Uint8Array) {
    if (fails(nth++)) throw new Error("No space left on device");
    return method === "syncSync" ? original.call(this) : original.call(this, bytes.subarray(0, 3));
  };
  try {
    await run();
  } finally {
    file[method] = original;
  }
  return nth;
}
