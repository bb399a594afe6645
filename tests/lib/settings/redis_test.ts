import assert from "node:assert/strict";
import { parseRedis } from "../../../lib/settings/redis.ts";

const host = { hostname: "localhost", port: 6379, tls: false, user: "", database: 0 };
const rows: [text: string, expected: ReturnType<typeof parseRedis>][] = [
  ["unix:/run/redis/redis.sock", { path: "/run/redis/redis.sock" }],
  ["unix:/run/a b", { path: "/run/a b" }],
  ["redis://localhost", host],
  ["redis://127.0.0.1:6380/3", { ...host, hostname: "127.0.0.1", port: 6380, database: 3 }],
  ["redis://[::1]:7000", { ...host, hostname: "::1", port: 7000 }],
  ["rediss://Redis.Example.org", { ...host, hostname: "redis.example.org", tls: true }],
  ["rediss://joe@r.example:443/1", { ...host, hostname: "r.example", port: 443, tls: true, user: "joe", database: 1 }],
  ["rediss://a%40b@r.example", { ...host, hostname: "r.example", tls: true, user: "a@b" }],
];
for (const [text, expected] of rows) {
  Deno.test(`Redis at ${text}`, { permissions: "none" }, () => assert.deepEqual(parseRedis(text), expected));
}
