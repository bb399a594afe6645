/**
 * The Lua scripts of the store in Redis, which runs each of them atomically. All keys of a script are in its KEYS, so
 * that the access of a Redis user can be limited to keys with the prefix.
 */
import { SENT_DAYS } from "../sent.ts";

/** The prefix of all keys. */
export const PREFIX = "countersign:1:";
/** A day, in seconds. */
export const DAY_SECONDS = 86_400;

/** Extends the lifetime of a key; `EXPIREAT … GT` requires Redis 7. */
const PROLONG = `local function prolong(key, at)
  local left = redis.call("TTL", key)
  if left == -1 or left < at - tonumber(redis.call("TIME")[1]) then redis.call("EXPIREAT", key, at) end
end
`;

/**
 * Adds a record of sent mail.
 *
 * KEYS: the record. ARGV: `s` or `u`, the day, when it expires.
 */
export const REMEMBER = `${PROLONG}
if tonumber(redis.call("HGET", KEYS[1], ARGV[1]) or "-1") < tonumber(ARGV[2]) then
  redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
end
prolong(KEYS[1], tonumber(ARGV[3]))
return 1`;

/**
 * Adds an entry, unless one with one of its names exists.
 *
 * KEYS: the sets of the message and of the list, the entry, its other names. ARGV: LIST, MESSAGE, text, expiry.
 */
export const ISSUE = `${PROLONG}
for nth = 3, #KEYS do if redis.call("EXISTS", KEYS[nth]) == 1 then return 0 end end
redis.call("HSET", KEYS[3], "state", "issued", "text", ARGV[3])
redis.call("SADD", KEYS[1], ARGV[1])
redis.call("SADD", KEYS[2], ARGV[2])
for nth = 1, 3 do prolong(KEYS[nth], tonumber(ARGV[4])) end
return 1`;

/**
 * Claims an issued entry; returns 1 if that succeeded.
 *
 * KEYS: the entry. ARGV: the claim.
 */
export const CLAIM = `
if redis.call("HGET", KEYS[1], "state") ~= "issued" then return 0 end
redis.call("HSET", KEYS[1], "state", "claimed", "claim", ARGV[1])
return 1`;

/**
 * Ends a claim; returns 1 if the entry has this claim.
 *
 * KEYS: the entry. ARGV: the claim, the state.
 */
export const SETTLE = `
if redis.call("HGET", KEYS[1], "state") ~= "claimed" or redis.call("HGET", KEYS[1], "claim") ~= ARGV[1] then
  return 0
end
redis.call("HSET", KEYS[1], "state", ARGV[2])
return 1`;

/**
 * Records that a message was sent and not remembered; the latest time is kept.
 *
 * KEYS: the record. ARGV: the time, when it expires.
 */
const FORGET = `${PROLONG}
if tonumber(redis.call("GET", KEYS[1]) or "0") < tonumber(ARGV[1]) then redis.call("SET", KEYS[1], ARGV[1]) end
prolong(KEYS[1], tonumber(ARGV[2]))
return 1`;

/**
 * Returns the id of the data.
 *
 * KEYS: the id. ARGV: a new id, which is used if none exists.
 */
export const IDENTIFY = `
redis.call("SET", KEYS[1], ARGV[1], "NX")
return redis.call("GET", KEYS[1])`;

/**
 * Records that a host remembers sent mail, unless this command was delayed beyond its deadline, and removes hosts
 * that have not reported for as long as mail may bounce.
 *
 * KEYS: the hosts. ARGV: the host, the deadline in seconds of the clock of Redis, the lifetime of a host in seconds.
 */
export const REPORT = `
local clock = redis.call("TIME")
local now = clock[1] + clock[2] / 1000000
if now > tonumber(ARGV[2]) then return 0 end
redis.call("HSET", KEYS[1], ARGV[1], string.format("%.3f", now))
redis.call("EXPIREAT", KEYS[1], math.floor(now + ARGV[3]))
local all = redis.call("HGETALL", KEYS[1])
for nth = 1, #all, 2 do
  if now - tonumber(all[nth + 1]) > tonumber(ARGV[3]) then redis.call("HDEL", KEYS[1], all[nth]) end
end
return 1`;

/**
 * Records that a host stops: its time is set back, which makes it silent at once.
 *
 * KEYS: the hosts. ARGV: the host, how long ago it should seem to have reported.
 */
export const RETIRE = `
if not redis.call("HGET", KEYS[1], ARGV[1]) then return 0 end
redis.call("HSET", KEYS[1], ARGV[1], redis.call("TIME")[1] - ARGV[2])
return 1`;

/**
 * Returns a host that has not reported for some time, this host if it has never reported, or an empty string. A time in
 * the future means that the clock was set back, and proves nothing.
 *
 * KEYS: the hosts. ARGV: this host, the time in seconds.
 */
export const SILENT = `
local clock = redis.call("TIME")
local now = clock[1] + clock[2] / 1000000
if not redis.call("HGET", KEYS[1], ARGV[1]) then return ARGV[1] end
local all = redis.call("HGETALL", KEYS[1])
for nth = 1, #all, 2 do
  local age = now - tonumber(all[nth + 1])
  if age > tonumber(ARGV[2]) or age < -1 then return all[nth] end
end
return ""`;

/** Returns the command that runs a script. */
export function evaluation(script: string, keys: readonly string[], values: readonly (string | number)[]): string[] {
  return ["EVAL", script, String(keys.length), ...keys.map((key) => PREFIX + key), ...values.map(String)];
}

/** Returns the command that records that a message was forgotten at this time. */
export function forgetting(time: number): string[] {
  const expires = Math.floor(time / 1000) + (SENT_DAYS + 1) * DAY_SECONDS;
  return evaluation(FORGET, ["forgotten"], [time, expires]);
}
