/** A mail server in a process of its own, which a test can stop. Prints its port, then a line for each message. */
import { Sink } from "../smtp_sink.ts";

const sink = new Sink();
console.log(sink.port);
for (let seen = 0;; seen++) {
  const accepted = await sink.until(seen + 1);
  console.log(JSON.stringify(accepted[seen]!.to));
}
