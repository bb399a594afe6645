/** Packets of the milter protocol are parsed however they are split, and invalid ones rejected. */
import assert from "node:assert/strict";
import { concat, decodeLatin1 } from "../../../lib/bytes.ts";
import { Fail } from "../../../lib/fail.ts";
import {
  MAX_PACKET_BYTES,
  type Packet,
  PacketReader,
  printPacket,
  readStrings,
  uint32,
} from "../../../serve/milter/packet.ts";

const readAll = (reader: PacketReader): string[] => {
  const out: string[] = [];
  for (let packet: Packet | undefined; (packet = reader.next()) !== undefined;) {
    out.push(packet.command + decodeLatin1(packet.data));
  }
  return out;
};

const THREE = concat(printPacket("M", "<a@b>", "\0"), printPacket("Q"), printPacket("L", "X\0\xff\x80\0"));
const READ = ["M<a@b>\0", "Q", "LX\0\xff\x80\0"];

Deno.test("packets that are split at any byte are reassembled", () => {
  for (let at = 0; at <= THREE.length; at++) {
    const reader = new PacketReader();
    reader.push(THREE.subarray(0, at));
    const first = readAll(reader);
    reader.push(THREE.subarray(at));
    assert.deepEqual([...first, ...readAll(reader)], READ, `split at ${at}`);
    assert.equal(reader.partial, false);
  }
});

Deno.test("packets that arrive byte by byte are reassembled", () => {
  const reader = new PacketReader();
  const out: string[] = [];
  for (const byte of THREE) {
    reader.push(Uint8Array.of(byte));
    out.push(...readAll(reader));
  }
  assert.deepEqual(out, READ);
});

Deno.test("part of a packet is kept when the bytes that were received change", () => {
  const reader = new PacketReader();
  const buffer = new Uint8Array(THREE.length);
  for (let at = 1; at < THREE.length; at++) {
    const out: string[] = [];
    for (const part of [THREE.subarray(0, at), THREE.subarray(at)]) {
      buffer.fill(0);
      buffer.set(part);
      reader.push(buffer.subarray(0, part.length));
      out.push(...readAll(reader));
    }
    assert.deepEqual(out, READ, `split at ${at}`);
  }
});

Deno.test("a packet keeps its bytes when more arrive", () => {
  const reader = new PacketReader();
  reader.push(printPacket("B", "first"));
  const { data } = reader.next()!;
  for (let i = 0; i < 2000; i++) {
    reader.push(printPacket("B", "second"));
    reader.next();
  }
  assert.equal(decodeLatin1(data), "first");
});

Deno.test("the longest packet is accepted; invalid lengths are rejected before the packet arrives", () => {
  const reader = new PacketReader();
  reader.push(printPacket("B", new Uint8Array(MAX_PACKET_BYTES - 1)));
  assert.equal(reader.next()!.data.length, MAX_PACKET_BYTES - 1);
  for (const length of [0, MAX_PACKET_BYTES + 1, 0xffffffff]) {
    const other = new PacketReader();
    other.push(uint32(length));
    assert.throws(() => other.next(), (error) => error instanceof Fail && error.kind === "data", String(length));
  }
});

Deno.test("strings end with a NUL", () => {
  assert.deepEqual(readStrings(Uint8Array.of(97, 0, 0)), ["a", ""]);
  assert.deepEqual(readStrings(new Uint8Array(0)), []);
  assert.throws(() => readStrings(Uint8Array.of(97)), Fail);
});
