/** Reading a message until a signal arrives. */
import assert from "node:assert/strict";
import { untilAborted } from "../../../io/system/signals.ts";

/** Counts what is registered with a signal. */
function listenersOf(signal: AbortSignal): () => number {
  let count = 0;
  const counted = (name: "addEventListener" | "removeEventListener", change: number) => {
    const original = signal[name];
    Object.defineProperty(signal, name, {
      value: (...args: Parameters<typeof original>) => {
        count += change;
        original.apply(signal, args);
      },
    });
  };
  counted("addEventListener", 1);
  counted("removeEventListener", -1);
  return () => count;
}

async function* body(fails = false): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Uint8Array.of(1));
  if (fails) throw new Error("unreadable");
  yield Uint8Array.of(2);
}

Deno.test("nothing of a message stays registered with the signal, however its reading ends", async () => {
  const daemon = new AbortController(); // it outlives its messages
  const { signal } = daemon;
  const listeners = listenersOf(signal);
  assert.deepEqual(await Array.fromAsync(untilAborted(body(), signal)), [Uint8Array.of(1), Uint8Array.of(2)]);
  assert.equal(listeners(), 0, "read to its end");
  for await (const _ of untilAborted(body(), signal)) break;
  assert.equal(listeners(), 0, "the injector needs no more");
  await assert.rejects(Array.fromAsync(untilAborted(body(true), signal)), /unreadable/);
  assert.equal(listeners(), 0, "it cannot be read");
  const stopped = assert.rejects(
    Array.fromAsync(untilAborted({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }, signal)),
    { kind: "temporary" },
  );
  daemon.abort();
  await stopped;
  assert.equal(listeners(), 0, "a signal while the client hangs");
});
