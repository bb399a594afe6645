/** Prints how a message would be sent, as text or as JSON. */
import { json, plain, rows } from "../terminal.ts";
import type { OutgoingExplanation } from "./outgoing.ts";

/** Returns the explanation as text. */
export function plannedText(explanation: OutgoingExplanation): string {
  const { identity, scheme, why, sender, account } = explanation;
  const senderText = sender === undefined
    ? "chosen by the program that sends the mail"
    : sender === null
    ? "<>"
    : plain(sender);
  return rows([
    ["Signed", identity === undefined ? `no: ${why}` : `for ${identity}`],
    ["Envelope sender", `${senderText} (${scheme})`],
    ...explanation.recipients.map(({ address, wanted, remembered }) => {
      const wants = identity === undefined ? "" : ` (${wanted}${remembered ? "; its challenge will be answered" : ""})`;
      return ["Recipient", `${plain(address)}${wants}`];
    }),
    ...explanation.added.map((raw) => ["Field added", plain(raw)]),
    ...explanation.removed.map((name) => ["Field removed", plain(name)]),
    ...explanation.notes.map((note) => ["Note", note]),
    ...account === undefined ? [] : [["Account", `${plain(account.name)} (${plain(account.because)})`]],
    ["Sent through", explanation.transport.map(plain).join(" ")],
  ]);
}

/** Returns the explanation as JSON. */
export function plannedJson(explanation: OutgoingExplanation): string {
  return json({ ...explanation, identity: explanation.identity ?? null, why: explanation.why ?? null });
}
