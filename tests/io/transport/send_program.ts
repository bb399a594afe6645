/**
 * Sends a short message. Arguments: settings in TOML, and `whole` or `streams`.
 * Exits with the status of a rejection, or 78 after printing a configuration error.
 */
import { Rejected } from "../../../io/transport/rejected.ts";
import { send } from "../../../io/transport/send.ts";
import { utf8 } from "../../../lib/bytes.ts";
import { Fail } from "../../../lib/fail.ts";
import { accountsIn } from "../../../lib/settings/accounts.ts";
import { parseConfig } from "../../../lib/settings/parse.ts";

const TO_ANN = {
  sender: { local: "greg", domain: "example.org" },
  recipients: [{ local: "ann", domain: "example.net" }],
  dsn: {},
};

async function* body() {
  yield await Promise.resolve(utf8("Hi.\n"));
}

const [text = "", how] = Deno.args;
const home = Deno.env.get("HOME")!;
try {
  const settings = parseConfig(text, { file: `${home}/config.toml`, home });
  const message = { head: utf8("Subject: x\n\n"), body: body(), whole: how === "whole" };
  await send(settings, accountsIn(settings)[0], TO_ANN, message);
} catch (error) {
  if (error instanceof Rejected) Deno.exit(error.code);
  if (!(error instanceof Fail) || error.kind !== "config") throw error;
  console.error(error.message);
  Deno.exit(78);
}
Deno.exit(0); // As our programs do; timers of the transport would keep the process alive.
