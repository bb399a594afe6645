/** The file of the page that `countersign audit --html` writes, which replaces no other file by accident. */
import { Fail, quote, reason } from "../../lib/fail.ts";
import { isThere } from "../files.ts";

/** Checks that a page can be written to this file. @throws {Fail} `usage`, `io` */
export function checkPage(file: string, overwrite: boolean): void {
  const folder = file.includes("/") ? file.slice(0, file.lastIndexOf("/")) || "/" : ".";
  let why = `${quote(folder)} is not a folder`;
  try {
    if (Deno.statSync(folder).isDirectory) {
      if (!overwrite && isThere(file)) throw pageExists(file);
      return;
    }
  } catch (error) {
    if (error instanceof Fail) throw error;
    why = reason(error);
  }
  throw new Fail("io", `Page cannot be written: ${why}`, { file });
}

const pageExists = (file: string) =>
  new Fail("usage", "Page already exists", { file, fix: "add --overwrite to replace it" });

/** Writes the page. @throws {Fail} `usage`, `io` */
export function writePage(file: string, text: string, overwrite: boolean): void {
  try {
    Deno.writeTextFileSync(file, text, { createNew: !overwrite });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw pageExists(file);
    throw new Fail("io", `Page cannot be written: ${reason(error)}`, { file, cause: error });
  }
}
