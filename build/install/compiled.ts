/**
 * What `deno task compile` compiles: main.ts, which takes its name from a launcher, takes it here from what the binary
 * is called by. So a link named shim or sendmail is that command; by any other name the first word is it.
 */
import process from "node:process";
import { main } from "../../main.ts";

// The path of the binary would not do: that is where a link leads.
const name = process.argv0;

Deno.exit(await main(name.slice(name.lastIndexOf("/") + 1), Deno.args));
