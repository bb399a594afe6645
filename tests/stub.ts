/** A program in place of the one that takes the mail: it writes down how it was run, and ends as it is told. */
import assert from "node:assert/strict";
import { srsForward } from "../lib/srs.ts";
import { type Home, SECRET } from "./rig.ts";

const SCRIPT = `#!/bin/sh
echo run >>"$HOME/stub.runs"
for word; do printf '%s\\n' "$word"; done >"$HOME/stub.args"
env >"$HOME/stub.environment"
cat >"$HOME/stub.got"
`;

/** Makes the program; `then` is how its script ends. */
export function stub(home: Home, then = "exit 0"): string {
  return home.write("stub", `${SCRIPT}${then}\n`, 0o755);
}

/** The `[transport]` table that names the program. */
export function byStub(home: Home, then?: string): string {
  return `[transport]\npreset = "sendmail"\ncommand = ["${stub(home, then)}"]\n`;
}

/** How often the stub was run. */
export const runs = (home: Home): number => home.read("stub.runs").split("\n").length - 1;

/** The words that it was given last. */
export const words = (home: Home): string[] => home.read("stub.args").split("\n").slice(0, -1);

/** What it was given on standard input last. */
export const got = (home: Home): string => home.read("stub.got");

/** Its environment. */
export function environment(home: Home): Record<string, string> {
  const lines = home.read("stub.environment").split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

/** Nothing went out, neither through the stub nor into the maildir `out`. */
export function nothingSent(home: Home, why = ""): void {
  assert.deepEqual({ runs: runs(home), mails: home.mails("out").length }, { runs: 0, mails: 0 }, why);
}

/** The SRS address of greg, made so many days ago with the key of the home. */
export function signed(days = 0, address = "greg@example.org"): string {
  const now = new Date(Date.now() - days * 86_400_000);
  return srsForward(address, "srs.example.org", { secrets: [SECRET], hashLength: 8, alphabet: "base64url", now });
}
