/** What is known of a machine when doctor begins, and what it has found there. */
import type { Settings } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { configFile, loadIdentities, loadSettings } from "../../io/system/load.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import type { Arguments } from "../arguments.ts";
import type { Finding, Programs, TextFile } from "./finding.ts";
import { look, programsOf } from "./look.ts";
import { checkSettings, findingOf } from "./settings.ts";

/** Goes from part to part. */
export interface DoctorContext {
  readonly given: Arguments;
  readonly home: string;
  readonly now: Date;
  /** The settings file, and what it says, when it could be read. */
  readonly file: TextFile;
  readonly settings: Settings | undefined;
  readonly programs: Programs;
  /** The files of --postconf. */
  readonly postconf: readonly TextFile[];
  readonly findings: Finding[];
  readonly notes: string[];
}

/** Reads what is needed first. @throws {Fail} `usage` for a file of --postconf that cannot be read */
export function begin(given: Arguments): DoctorContext {
  const postconf = given.values("postconf").map(mustLook);
  const place = configFile(given.value("config"));
  const findings: Finding[] = [];
  let settings: Settings | undefined;
  try {
    const loaded = loadSettings(place);
    void loaded.plainLists?.some; // read when first asked for
    settings = loaded;
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    findings.push(findingOf(error, place.file));
  }
  const now = new Date();
  const file = look(place.file) ?? { file: place.file, text: "" };
  if (settings !== undefined) findings.push(...checkSettings(file, settings, now));
  return {
    given,
    home: place.home,
    now,
    file,
    settings,
    programs: programsOf(place.home),
    postconf,
    findings,
    notes: [],
  };
}

function mustLook(path: string): TextFile {
  const file = look(path);
  if (file === undefined) throw new Fail("usage", "File of --postconf cannot be read", { file: path });
  return file;
}

/** The identities, if their keys are in order: what is not is said by the part that looks at them. */
export function soundIdentities(settings: Settings): Identity[] | undefined {
  try {
    const identities = loadIdentities(settings);
    for (const identity of identities) void identity.keys; // read when first asked for
    return identities;
  } catch (error) {
    if (error instanceof Fail) return undefined;
    throw error;
  }
}
