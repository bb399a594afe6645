/** Checks the services of doorbells: their addresses, keys and terms, and interrupted messages. */
import { Fail } from "../../lib/fail.ts";
import { folderOf, type Service } from "../../lib/settings/doorbell.ts";
import { identityOf } from "../../lib/settings/identity.ts";
import { noSigningKey, signingKey } from "../../lib/settings/keys.ts";
import { lineOf, type Settings } from "../../lib/settings/parse.ts";
import { loadIdentities, readDoorbellKeys } from "../../io/system/load.ts";
import { termsFor } from "../../io/doorbell/terms.ts";
import { DoorbellFiles } from "../../io/state/doorbell/files.ts";
import { siteUser } from "../identities.ts";
import type { DoctorContext } from "./context.ts";
import type { Finding } from "./finding.ts";

const DEFERS = "The doorbell defers all mail to the service.";

/** Adds the findings about each service. */
export function checkDoorbells({ file, now, findings }: DoctorContext, settings: Settings): void {
  const identities = loadIdentities(settings);
  for (const [nth, service] of settings.doorbell.entries()) {
    const at = (name: string) => ({ file: file.file, line: lineOf(file.text, "doorbell", name, nth) });
    if (!service.i_know && identityOf(identities, service.address) !== undefined) {
      findings.push({
        id: "doorbell-personal",
        what: `Service ${service.name} has the address of an identity`,
        where: at("address"),
        why: DEFERS,
        fix: "Give the service an address of its own, or set doorbell.i_know = true",
      });
    }
    findings.push(...keyFindings(service, siteUser(settings), now), ...termsFindings(service, at("terms")));
    findings.push(...stateFindings(service, settings, now));
  }
}

function keyFindings(service: Service, owner: number | undefined, now: Date): Finding[] {
  const { name, keys: file } = service;
  const usual = `countersign keys new --doorbell ${name}`;
  const found = (what: string, fix = usual): Finding[] => [{
    id: "doorbell-keys",
    what,
    where: { file },
    why: DEFERS,
    fix,
  }];
  try {
    const keys = readDoorbellKeys(service, owner);
    return signingKey(keys, now) === undefined ? found(`No key can sign: ${noSigningKey(keys, now)}`) : [];
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return found(error.message, error.fix);
  }
}

function termsFindings(service: Service, where: Finding["where"]): Finding[] {
  if (service.terms === "" || termsFor(service, []) !== "") return [];
  return [{
    id: "doorbell-terms",
    what: `${service.terms} has no terms in the language ${service.language}`,
    where,
    why: "People with other languages get challenges without terms.",
    fix: `Write ${service.terms}/${service.language}, or change doorbell.language`,
  }];
}

/** Messages whose program was killed, and those that cannot be read, wait for the administrator. */
function stateFindings(service: Service, settings: Settings, now: Date): Finding[] {
  const all = new DoorbellFiles(settings.state.folder, service, [], now).list();
  const stuck = all.filter(({ state, error }) => error === undefined && (state === "kept" || state === "interrupted"));
  const unreadable = all.filter(({ error }) => error !== undefined);
  const where = { file: folderOf(service, settings.state.folder) };
  const list = `countersign doorbell list --service ${service.name}`;
  const out: Finding[] = [];
  if (stuck.length > 0) {
    out.push({
      id: "doorbell-interrupted",
      what: `The program of ${stuck.length} confirmed ${stuck.length === 1 ? "message" : "messages"} was killed`,
      where,
      why: "It is unknown what the program did, so it is not run again automatically.",
      fix: `${list}, then release or delete each`,
    });
  }
  if (unreadable.length > 0) {
    out.push({
      id: "doorbell-unreadable",
      what: `${unreadable.length} held ${unreadable.length === 1 ? "message" : "messages"} cannot be read`,
      where,
      why: "Their confirmations stay queued.",
      fix: `${list}, then correct the mode of each file, or delete the message`,
    });
  }
  return out;
}
