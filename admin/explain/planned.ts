/** What a message would leave as, for people and for programs. */
import { json, plain, rows } from "../terminal.ts";

/** What admin/explain/outgoing.ts tells. */
export interface InspectionOut {
  readonly scheme: string;
  readonly why: string | undefined;
  readonly identity: string | undefined;
  readonly sender: string | null | undefined;
  readonly recipients: readonly { readonly address: string; readonly wanted: string; readonly remembered: boolean }[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly notes: readonly string[];
  readonly transport: readonly string[];
}

/** For people. */
export function plannedText(seen: InspectionOut): string {
  const { identity, scheme, why, sender } = seen;
  const told = sender === undefined ? "none is given" : sender === null ? "<>" : plain(sender);
  return rows([
    ["Signed", identity === undefined ? `no: ${why}` : `for ${identity}`],
    ["Envelope sender", `${told} (${scheme})`],
    ...seen.recipients.map(({ address, wanted, remembered }) => {
      const wants = identity === undefined ? "" : ` (${wanted}${remembered ? "; its challenge will be answered" : ""})`;
      return ["Recipient", `${plain(address)}${wants}`];
    }),
    ...seen.added.map((raw) => ["Field put on", plain(raw)]),
    ...seen.removed.map((name) => ["Field taken off", plain(name)]),
    ...seen.notes.map((note) => ["Note", note]),
    ["Handed to", seen.transport.map(plain).join(" ")],
  ]);
}

/** For programs. */
export function plannedJson(seen: InspectionOut): string {
  return json({ ...seen, identity: seen.identity ?? null, why: seen.why ?? null });
}
