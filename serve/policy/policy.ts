/**
 * The role `policy`: Postfix asks about each recipient, without a milter. It decides by the envelope alone, as the door
 * does at RCPT, and leaves everything else to the restrictions that follow.
 */
import { utf8 } from "../../lib/bytes.ts";
import type { Event } from "../../lib/log.ts";
import { log } from "../../io/system/log.ts";
import { decideRecipient, type DoorContext, logClient } from "../decisions.ts";
import type { Loaded } from "../loaded.ts";
import { oneLine } from "../reply.ts";
import type { Protocol } from "../sockets/requests.ts";
import { PolicyReader, type PolicyRequest } from "./request.ts";

/** The action that leaves the decision to the restrictions that follow (access(5)). */
const DUNNO = "DUNNO";

const answer = (action: string) => utf8(`action=${action}\n\n`);

/** Answers with the settings that are loaded when a request arrives. */
export function policyProtocol(loaded: () => Loaded): Protocol<PolicyRequest> {
  return {
    reader: () => new PolicyReader(),
    answer: (request) => answer(actionFor(request, loaded)),
    malformed: answer(DUNNO),
  };
}

/** Returns the action for a request: a reply that rejects the recipient, or DUNNO. Never throws. */
export function actionFor({ attributes }: PolicyRequest, loaded: () => Loaded): string {
  if (attributes?.get("request") !== "smtpd_access_policy" || attributes.get("protocol_state") !== "RCPT") return DUNNO;
  const [sender, recipient] = [attributes.get("sender"), attributes.get("recipient")];
  if (sender === undefined || recipient === undefined || recipient === "") return DUNNO;
  const context = {
    loaded: loaded(),
    now: new Date(),
    sender: sender === "" ? null : sender,
    client: attributes.get("client_name"),
  };
  const { reply, event } = decideRecipient(recipient, context);
  if (event !== undefined) record(event, context);
  return reply === undefined ? DUNNO : oneLine(reply, recipient);
}

function record(event: Event, context: DoorContext): void {
  log(context.loaded.settings, { direction: "in", at: "policy", ...logClient(context), ...event });
}
