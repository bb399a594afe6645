/** The command line as a package: `deno install --global -A jsr:@countersign/countersign/cli`. */
import { main } from "../main.ts";

if (import.meta.main) Deno.exit(await main("countersign", Deno.args));
