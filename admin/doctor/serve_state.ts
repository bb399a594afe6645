/** Checks that the state belongs to the user of `countersign serve`, because programs run by root may create it. */
import { dayOf, printDay } from "../../lib/date.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { isOver, lastForgotten } from "../../io/state/forgotten.ts";
import { SENT_DAYS } from "../../io/state/sent.ts";
import { namesIn, pathInfo } from "./filesystem.ts";
import type { Finding } from "./finding.ts";

/**
 * Returns a finding if the state folder of a site does not exist; undefined if it exists, or if the user is not root. A
 * hook that root runs would create the folder for root alone.
 */
export function missingState(settings: Settings, user = Deno.uid()): Finding | undefined {
  const { folder } = settings.state;
  if (user !== 0 || settings.serve.socket_folder === "" || pathInfo(folder).kind !== "missing") return undefined;
  return {
    id: "serve-state-missing",
    what: `State folder ${folder} does not exist`,
    where: { file: folder },
    why: "The first program that runs would create it; if that is a program of root, countersign serve cannot use it.",
    fix: `install -d -o countersign -g countersign -m 700 ${folder}`,
  };
}

/**
 * Returns a finding if the folder, its log or a file of the index of sent mail does not belong to the user of
 * `countersign serve`. A shim that root runs with the settings of the site creates such files.
 */
export function stateOfOther(settings: Settings, engine: number): Finding | undefined {
  const { folder } = settings.state;
  for (const path of [folder, `${folder}/log`, ...below(`${folder}/sent`)]) {
    const { kind, uid } = pathInfo(path);
    if (kind !== "folder" && kind !== "file" || uid === engine) continue;
    return {
      id: "serve-state-owner",
      what: `${path} belongs to user ${uid}, but countersign serve runs as user ${engine}`,
      where: { file: path },
      why: "It cannot write its log there, remember sent mail, or look it up.",
      fix: `chown -R ${engine} ${folder}`,
    };
  }
  return undefined;
}

function* below(folder: string): Generator<string> {
  yield folder;
  for (const name of namesIn(folder)) yield* below(`${folder}/${name}`);
}

/**
 * Returns a note if the door could reject bounces by their content, but does not, because something was not remembered.
 *
 * @param reported the last time that a shared state reports
 */
export function forgottenNote(settings: Settings, now: Date, reported?: number): string | undefined {
  const { serve, incoming, state } = settings;
  if (serve.socket_folder === "" || incoming.forged !== "refuse" || !state.shared) return undefined;
  const times = [reported, lastForgotten(state.folder), lastForgotten(state.folder, "unreported")];
  const last = Math.max(...times.filter((time) => time !== undefined && time !== Infinity).map(Number), 0);
  if (isOver(last, now)) return undefined;
  const day = dayOf(new Date(last));
  return `Some mail sent until ${
    printDay(day)
  } is not remembered, so the door rejects no bounce by its content before ` +
    `${printDay(day + SENT_DAYS + 1)}; the log may say why (forgotten=)`;
}
