/** Checks what a command printed against the format that countersign(1) documents. */
import assert from "node:assert/strict";
import { JSON_FORMATS, JSON_VERSION, type JsonType, type Member } from "../../admin/json_format.ts";

/** Returns the object of a command if it has exactly the documented members and types. */
// deno-lint-ignore no-explicit-any
export function conforms(command: keyof typeof JSON_FORMATS, given: any): any {
  checkMembers(JSON_FORMATS[command], given, command);
  assert.equal(given.version, JSON_VERSION);
  return given;
}

/** @throws {Error} if a member is missing, unknown or of another type */
export function checkMembers(members: readonly Member[], given: unknown, where: string): void {
  assert.ok(typeof given === "object" && given !== null && !Array.isArray(given), `${where} is not an object`);
  const values = new Map(Object.entries(given));
  for (const { name, type, optional } of members) {
    if (values.has(name)) checkType(type, values.get(name), `${where}.${name}`);
    else assert.ok(optional, `${where}.${name} is missing`);
    values.delete(name);
  }
  assert.deepEqual([...values.keys()], [], `${where} has members that are not documented`);
}

function checkType(type: JsonType, given: unknown, where: string): void {
  if (typeof type === "object" && "members" in type) return checkMembers(type.members, given, where);
  if (typeof type === "object" || type === "list of strings") {
    assert.ok(Array.isArray(given), `${where} is not a list`);
    for (const one of given) {
      if (typeof type === "object") checkMembers(type.each, one, `${where}[]`);
      else assert.equal(typeof one, "string", `${where}[]`);
    }
    return;
  }
  if (given === null) return assert.ok(type.endsWith(" or null"), `${where} is null`);
  assert.equal(typeof given, type.replace(" or null", ""), where);
}
