/** Runs authup or ofmipd with a shorter time limit. Arguments: the limit in seconds, the program and its arguments. */
import { authup } from "../../submit/authup.ts";
import { ofmipd } from "../../submit/ofmipd.ts";

const [seconds, name = "", ...args] = Deno.args;
Deno.exit(await (name === "authup" ? authup : ofmipd)(name, args, Number(seconds)));
