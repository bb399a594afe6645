/** The context that all checks of doctor share: options, settings, and the findings so far. */
import type { Settings } from "../../lib/settings/parse.ts";
import { Fail } from "../../lib/fail.ts";
import { configFile, loadSettings } from "../../io/system/load.ts";
import type { Identity } from "../../lib/settings/identity.ts";
import type { Arguments } from "../arguments.ts";
import { readIdentities } from "../identities.ts";
import type { Finding, Programs, TextFile } from "./finding.ts";
import { textFile } from "./filesystem.ts";
import { programsOf } from "./programs.ts";
import { checkSettings, findingOf } from "./settings.ts";

/** The context of a run. */
export interface DoctorContext {
  readonly options: Arguments;
  readonly home: string;
  readonly now: Date;
  /** The settings file, and the settings if they could be read. */
  readonly file: TextFile;
  readonly settings: Settings | undefined;
  readonly programs: Programs;
  /** The files of --postconf. */
  readonly postconf: readonly TextFile[];
  readonly findings: Finding[];
  readonly notes: string[];
}

/** Creates the context, and checks the settings. @throws {Fail} `usage` for a --postconf file that cannot be read */
export function createContext(options: Arguments): DoctorContext {
  const postconf = options.values("postconf").map(readRequired);
  const source = configFile(options.value("config"));
  const findings: Finding[] = [];
  let settings: Settings | undefined;
  try {
    const loaded = loadSettings(source, "users"); // `together` in parse.ts says when no identity is needed
    void loaded.plainLists?.some; // the file is read on first access
    settings = loaded;
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    findings.push(findingOf("settings-unusable", error, source.file));
  }
  const now = new Date();
  const file = textFile(source.file) ?? { file: source.file, text: "" };
  if (settings !== undefined) findings.push(...checkSettings(file, settings, now));
  return {
    options,
    home: source.home,
    now,
    file,
    settings,
    programs: programsOf(source.home),
    postconf,
    findings,
    notes: [],
  };
}

function readRequired(path: string): TextFile {
  const file = textFile(path);
  if (file === undefined) throw new Fail("usage", "File of --postconf cannot be read", { file: path });
  return file;
}

/** Returns the identities; undefined if a key file cannot be read, which the check of the keys reports. */
export function readableIdentities(settings: Settings): Identity[] | undefined {
  try {
    const identities = readIdentities(settings);
    for (const identity of identities) void identity.keys; // the file is read on first access
    return identities;
  } catch (error) {
    if (error instanceof Fail) return undefined;
    throw error;
  }
}
