/** Lists held messages for the administrator, among them those whose record cannot be read. */
import { namesIn, removeIfPresent } from "./folder.ts";
import { heldIn, readHeld, removeHeld } from "./held.ts";
import { openFile, recordIn } from "./record.ts";
import type { HeldItem, ListedMessage } from "./store.ts";

/** Lists all messages, oldest first. One that cannot be read is listed with the error. */
export function listHeld(folder: string): ListedMessage[] {
  const held = heldIn(folder).flatMap((one): ListedMessage[] => {
    const { id, time, size, challenged } = one;
    const item = { id, time, size, challenged, state: "held" } as const;
    try {
      const record = readHeld(folder, one);
      return record === undefined ? [] : [{ ...item, record }];
    } catch (error) {
      return [{ ...item, error }];
    }
  });
  const claimed = (["running", "kept"] as const).flatMap((state) =>
    namesIn(`${folder}/${state}`).flatMap((id) => claimedItem(`${folder}/${state}/${id}`, id, state))
  );
  return [...held, ...claimed].sort((a, b) => a.time - b.time);
}

function claimedItem(path: string, id: string, state: "running" | "kept"): ListedMessage[] {
  let item: HeldItem = { id, state, time: 0, size: 0 };
  try {
    const file = openFile(path);
    if (file === undefined) return [];
    try {
      const { mtime, size } = file.statSync();
      const free = state === "running" && file.tryLockSync(true);
      if (free) file.unlockSync();
      const time = Math.floor((mtime?.getTime() ?? 0) / 1000);
      item = { id, state: free ? "interrupted" : state, time, size };
      const record = recordIn(file, path);
      return [{ ...item, size: size - file.seekSync(0, Deno.SeekMode.Current), record }];
    } finally {
      file.close();
    }
  } catch (error) {
    return [{ ...item, error }];
  }
}

/** Removes a listed message that cannot be claimed, because its record cannot be read. @returns whether it was there */
export function removeUnreadable(folder: string, { id, state }: HeldItem): boolean {
  const held = heldIn(folder).find((one) => one.id === id);
  if (state === "held") return held !== undefined && removeHeld(folder, held);
  return removeIfPresent(`${folder}/${state === "kept" ? "kept" : "running"}/${id}`);
}
