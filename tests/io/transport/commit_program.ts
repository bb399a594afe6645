/** Sends a short message: the text of the settings, then `whole` or `streams`. Ends with the status of a rejection. */
import { Rejected } from "../../../io/transport/rejected.ts";
import { send } from "../../../io/transport/send.ts";
import { utf8 } from "../../../lib/bytes.ts";
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
  await send(settings, TO_ANN, { head: utf8("Subject: x\n\n"), body: body(), whole: how === "whole" });
} catch (error) {
  if (!(error instanceof Rejected)) throw error;
  Deno.exit(error.code);
}
Deno.exit(0); // as every program of ours does: timers of the transport would keep it alive
