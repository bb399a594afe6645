/** A stub for the program that sends mail: it records its arguments, environment and input, and exits as configured. */
import assert from "node:assert/strict";
import { srsForward } from "../lib/srs.ts";
import { type Home, SECRET } from "./rig.ts";

const SCRIPT = `#!/bin/sh
echo run >>"$HOME/stub.runs"
for word; do printf '%s\\n' "$word"; done >"$HOME/stub.args"
env >"$HOME/stub.environment"
cat >"$HOME/stub.got"
`;

/** Writes the program; `then` is the end of its script. */
export function stub(home: Home, then = "exit 0"): string {
  return home.write("stub", `${SCRIPT}${then}\n`, 0o755);
}

/** A `[transport]` table that uses the stub. */
export function stubTransport(home: Home, then?: string): string {
  return `[transport]\npreset = "sendmail"\ncommand = ["${stub(home, then)}"]\n`;
}

/** The number of runs. */
export const stubRuns = (home: Home): number => home.read("stub.runs").split("\n").length - 1;

/** The arguments of the last run. */
export const stubArguments = (home: Home): string[] => home.read("stub.args").split("\n").slice(0, -1);

/** The standard input of the last run. */
export const stubInput = (home: Home): string => home.read("stub.got");

/** The environment of the last run. */
export function stubEnvironment(home: Home): Record<string, string> {
  const lines = home.read("stub.environment").split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

/** Asserts that nothing was sent, neither through the stub nor to the maildir `out`. */
export function nothingSent(home: Home, why = ""): void {
  assert.deepEqual({ runs: stubRuns(home), mails: home.mails("out").length }, { runs: 0, mails: 0 }, why);
}

/** greg's SRS address, signed that many days ago with the key of a Home. */
export function signed(days = 0, address = "greg@example.org"): string {
  const now = new Date(Date.now() - days * 86_400_000);
  return srsForward(address, "srs.example.org", { secrets: [SECRET], hashLength: 8, alphabet: "base64url", now });
}
