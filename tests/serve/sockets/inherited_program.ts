/** Listens on descriptor 3, and repeats what each connection sends a moment later. */
import { listenOn } from "../../../serve/sockets/inherited.ts";

const listener = await listenOn({ name: "lookup", fd: 3 });
console.log("listening");
for (;;) {
  const connection = await listener.accept();
  const buffer = new Uint8Array(100);
  for (let size; (size = await connection.read(buffer)) !== null;) {
    await new Promise((done) => setTimeout(done, 50));
    await connection.write(buffer.subarray(0, size));
  }
  connection.close();
}
