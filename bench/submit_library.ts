/** A server on smtp-server alone, as a baseline: it accepts every login, and discards every message. */
import { SMTPServer } from "smtp-server";

const [certificate = "", key = "", port = ""] = Deno.args;

new SMTPServer({
  cert: Deno.readTextFileSync(certificate),
  key: Deno.readTextFileSync(key),
  secure: true,
  logger: false,
  disableReverseLookup: true,
  onAuth: ({ username }, _session, done) => done(null, { user: username }),
  onData(stream, _session, done) {
    stream.resume();
    stream.on("end", () => done(null));
  },
}).listen(Number(port), "127.0.0.1");
