/**
 * The entry module of the compiled binary. The name by which the binary was called selects the command: a link named
 * shim or sendmail runs that command; otherwise the first argument is the command.
 */
import process from "node:process";
import { main } from "../../main.ts";

// Deno.execPath() would be the target of a link.
const name = process.argv0;

Deno.exit(await main(name.slice(name.lastIndexOf("/") + 1), Deno.args));
