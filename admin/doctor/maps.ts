/** Checks the sockets `policy` and `map` of `countersign serve`, and the keys of forwarded mail. */
import { PROBE_HOST } from "../../lib/probe.ts";
import { formatAddress } from "../../lib/address.ts";
import { concat, utf8 } from "../../lib/bytes.ts";
import { Fail } from "../../lib/fail.ts";
import { sharedSecret } from "../../lib/settings/forwarding.ts";
import { keyWarning } from "../../lib/settings/keys.ts";
import type { Settings } from "../../lib/settings/parse.ts";
import { sendAll } from "../../io/system/unix_socket.ts";
import { readForwardingKeys } from "../../io/system/load.ts";
import { netstring, NetstringReader } from "../../serve/map/netstring.ts";
import { whyUnreadable } from "./access.ts";
import type { FindingId } from "./ids.ts";
import { type DoctorContext, readableIdentities } from "./context.ts";
import { converseWith, NotPermitted } from "./milter_session.ts";
import { forgedAddress, serveUser, socketInfo, START } from "./serve.ts";
import { findingOf } from "./settings.ts";

type Add = (id: FindingId, what: string, file: string, why: string, fix: string) => void;

/** A sender whose domain cannot exist (RFC 2606). */
const TEST_SENDER = "doctor@countersign.invalid";

/** Runs the checks. Sockets that do not exist are not used, except `map` with `forwarding.domain`. */
export async function checkMaps({ file, findings, now }: DoctorContext, settings: Settings): Promise<void> {
  const add: Add = (id, what, file, why, fix) => void findings.push({ id, what, where: { file }, why, fix });
  const { forwarding, serve: { socket_folder: folder } } = settings;
  if (forwarding.domain !== "") {
    if (folder === "") {
      const why = "Only countersign serve rewrites senders, on the socket map.";
      add(
        "forwarding-socket",
        "forwarding.domain is set, but serve.socket_folder is not",
        file.file,
        why,
        "Set serve.socket_folder",
      );
    }
    checkForwardingKeys(settings, now, findings, add);
  }
  if (folder === "") return;
  for (const name of ["policy", "map"] as const) {
    const path = `${folder}/${name}`;
    const info = socketInfo(path);
    if (info === undefined) {
      if (name === "policy" || forwarding.domain === "") continue;
      const why = "Postfix defers all mail whose sender it would rewrite.";
      add("serve-socket-missing", "The socket map does not exist", path, why, START);
      continue;
    }
    if (!info.isSocket) {
      add(
        "serve-socket-wrong",
        `${path} is not a socket`,
        path,
        "countersign serve cannot listen there.",
        `mv ${path} ${path}.old`,
      );
      continue;
    }
    if (((info.mode ?? 0) & 0o002) !== 0) {
      const why = name === "map"
        ? "Anyone on this machine can have any address rewritten, and then receive bounces through it."
        : "Anyone on this machine can probe which addresses are accepted.";
      add("serve-socket-open", `The socket ${name} is world-writable`, path, why, `chmod 660 ${path}`);
    }
    try {
      await (name === "policy" ? checkPolicy : checkMap)(path, settings, now, add);
    } catch (error) {
      if (error instanceof NotPermitted) return; // the check of the other sockets says so
      const why = name === "policy" ? "Postfix applies default_action to all mail." : "Postfix defers mail.";
      add("serve-socket-silent", `The socket ${name} does not answer: ${(error as Error).message}`, path, why, START);
    }
  }
}

function checkForwardingKeys(settings: Settings, now: Date, findings: DoctorContext["findings"], add: Add): void {
  const { keys: path } = settings.forwarding;
  let keys;
  try {
    keys = readForwardingKeys(settings);
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    findings.push(findingOf("forwarding-key-unusable", error, path));
    return;
  }
  const user = serveUser(settings);
  const unreadable = user === undefined || user === 0 || user === Deno.uid() ? undefined : whyUnreadable(path, user);
  if (unreadable !== undefined) {
    const what = `Key file ${path} cannot be read by user ${user}, which runs countersign serve: ${unreadable}`;
    const fix = `chgrp to the user's group, and chmod 640 ${path}`;
    add("forwarding-key-unreadable", what, path, "Postfix defers all mail whose sender it would rewrite.", fix);
  }
  const shared = sharedSecret(keys, readableIdentities(settings) ?? []);
  if (shared !== undefined) {
    const what = `A secret for forwarding is also key ${shared.id} of ${formatAddress(shared.identity.address)}`;
    const why = "countersign serve does not start: strangers could have signed addresses of that identity made.";
    add("forwarding-key-shared", what, path, why, "Remove it from one of the files");
  }
  const warning = keyWarning(keys, now);
  if (warning !== undefined) {
    const why = "Without a key that signs, mail is forwarded with its own sender, and SPF fails.";
    add("forwarding-key-old", `Forwarded mail: ${warning}`, path, why, "countersign keys new --forwarding");
  }
}

/** Asks about a forged address; the only side effect is a line in the log. */
async function checkPolicy(path: string, settings: Settings, now: Date, add: Add): Promise<void> {
  const forged = forgedAddress(settings, now) ?? TEST_SENDER;
  const envelope = `sender=\nrecipient=${forged}\nclient_name=${PROBE_HOST}\n`;
  const request = `request=smtpd_access_policy\nprotocol_state=RCPT\n${envelope}\n`;
  const answer = await exchange(path, utf8(request), (text) => /\n\n/.test(text));
  if (!/^action=.*\n\n$/.test(answer)) throw new Error("it is not the socket of this role");
  if (settings.incoming.forged !== "refuse" || forged === TEST_SENDER || answer.startsWith("action=550 ")) return;
  add(
    "serve-policy-passes",
    "The policy service accepts an SRS address with a wrong hash",
    path,
    "The log says why (at=policy): a key cannot be read, or serve uses different settings.",
    "countersign log --direction in; systemctl reload countersign",
  );
}

/** Asks about a forged address, and rewrites and reverses one of a domain that cannot exist. */
async function checkMap(path: string, settings: Settings, now: Date, add: Add): Promise<void> {
  const ask = (text: string) => exchangeNetstring(path, text);
  const forged = forgedAddress(settings, now);
  const reversed = forged === undefined ? "" : await ask(`srs-reverse ${forged}`);
  if (reversed !== "" && !/^(?:NOTFOUND |TEMP )/.test(reversed)) throw new Error("it is not the socket of this role");
  if (settings.forwarding.domain === "") return;
  const [, written] = /^OK (.*)$/.exec(await ask(`srs-forward ${TEST_SENDER}`)) ?? [];
  const back = written === undefined ? "" : await ask(`srs-back ${written}`);
  if (back === `OK ${TEST_SENDER}`) return;
  add(
    "serve-map-forwarding",
    "The map srs-forward does not rewrite a sender, or srs-back does not reverse it",
    path,
    "Mail is forwarded with its own sender, and SPF fails. The log says why (at=map), unless serve uses different settings.",
    "countersign log; systemctl reload countersign",
  );
}

async function exchangeNetstring(path: string, text: string): Promise<string> {
  const read = (heard: string) => {
    const reader = new NetstringReader();
    reader.push(utf8(heard));
    return reader.next();
  };
  return read(await exchange(path, netstring(text), (heard) => read(heard) !== undefined)) ?? "";
}

/** Writes a request, and reads until the answer is complete or the connection ends. */
function exchange(path: string, request: Uint8Array, done: (heard: string) => boolean): Promise<string> {
  return converseWith(path, async (open) => {
    await sendAll(open, request);
    const heard: Uint8Array[] = [];
    const buffer = new Uint8Array(4096);
    const text = () => new TextDecoder().decode(concat(...heard));
    for (let size; !done(text()) && (size = await open.read(buffer)) !== null;) heard.push(buffer.slice(0, size));
    return text();
  });
}
