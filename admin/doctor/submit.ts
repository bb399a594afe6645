/** Checks what `countersign submitd` is configured with: certificate, passwords, and whose logins they are. */
import { Fail } from "../../lib/fail.ts";
import { lineOf, type Settings } from "../../lib/settings/parse.ts";
import { parseAuth } from "../../lib/settings/submission.ts";
import { parseUsers } from "../../lib/users.ts";
import { readPrivateFile } from "../../io/system/files.ts";
import { siteUser } from "../identities.ts";
import type { DoctorContext } from "./context.ts";
import type { Finding } from "./finding.ts";
import { findingOf } from "./settings.ts";
import { checkSubmitLive, dovecotTrouble } from "./submit_live.ts";

/** Days before the end of a certificate at which it should have been renewed. */
const MIN_DAYS = 14;

const STOPPED = "countersign submitd does not start.";

/** Adds the findings about submitd, if the settings configure it. */
export async function checkSubmit(context: DoctorContext, settings: Settings): Promise<void> {
  const { file, now, programs, findings } = context;
  const { auth, certificate, key, user_settings } = settings.submit;
  if (auth === "" && certificate === "" && key === "") return;
  const at = (name: string) => ({ file: file.file, line: lineOf(file.text, "submit", name, 0) });
  findings.push(...await certificateFindings(settings, now));
  const backend = parseAuth(auth);
  if (backend === undefined) {
    const fix = "Set submit.auth";
    findings.push({
      id: "submit-auth-missing",
      what: "No password backend is configured",
      where: at("certificate"),
      why: STOPPED,
      fix,
    });
  } else if (backend.kind === "file") findings.push(...loginFindings(backend.path, siteUser(settings)));
  else {
    const trouble = backend.kind === "dovecot" ? await socketTrouble(backend.path) : programs.trouble(backend.path);
    if (trouble !== undefined) {
      const why = "Clients cannot log in: submitd answers 454.";
      const fix = backend.kind === "dovecot" ? "See contrib/submitd/dovecot.conf" : "Install it, or change submit.auth";
      findings.push({ id: "submit-auth-unusable", what: `${backend.path} ${trouble}`, where: at("auth"), why, fix });
    }
  }
  const unsigned = settings.unconfigured === "pass" && settings.identity.length === 0;
  const own = user_settings !== "" || backend?.kind === "file" || unsigned;
  if (!own && !settings.identity.some((one) => one.logins.length > 0)) {
    const fix = "Set identity.logins, or submit.user_settings";
    findings.push({
      id: "submit-no-identity",
      what: "No identity belongs to a login",
      where: at("auth"),
      why: STOPPED,
      fix,
    });
  }
  await checkSubmitLive(context, settings);
}

async function certificateFindings(settings: Settings, now: Date): Promise<Finding[]> {
  const { certificate } = settings.submit;
  // Imported late, with Node's crypto.
  const { parseCertificate, readCertificate } = await import("../../submit/submitd/certificate.ts");
  try {
    const end = Date.parse(parseCertificate(readCertificate(settings).cert)!.validTo);
    const days = Math.floor((end - now.getTime()) / 86_400_000);
    if (days >= MIN_DAYS) return [];
    const what = days < 0
      ? `The certificate expired ${-days} ${days === -1 ? "day" : "days"} ago`
      : `The certificate expires in ${days} ${days === 1 ? "day" : "days"}`;
    const why = days >= 0 ? "Clients will refuse to connect." : "Clients refuse to connect.";
    return [{
      id: "submit-certificate-expiry",
      what,
      where: { file: certificate },
      why,
      fix: "Renew it, then systemctl reload countersign-submit",
    }];
  } catch (error) {
    if (error instanceof Fail) {
      return [{ ...findingOf("submit-certificate-unusable", error, certificate), why: STOPPED }];
    }
    throw error;
  }
}

function loginFindings(path: string, owner: number | undefined): Finding[] {
  const why = "Clients cannot log in: submitd answers 454.";
  try {
    const limit = 16 * 1024 * 1024;
    const users = parseUsers(readPrivateFile("File of logins", path, 0o077, { owner, limit }), path);
    return users.filter(({ login, user }) => login === "root" || user === "root").map(({ login }) => ({
      id: "submit-root-login",
      what: `${login} is a login of root`,
      where: { file: path },
      why: "root cannot log in, whatever the password is.",
      fix: `countersign passwd remove ${login} --file ${path}`,
    }));
  } catch (error) {
    if (!(error instanceof Fail)) throw error;
    return [{
      ...findingOf("submit-logins-unusable", error, path),
      why,
      fix: error.fix ?? "countersign passwd add LOGIN",
    }];
  }
}

async function socketTrouble(path: string): Promise<string | undefined> {
  try {
    return Deno.statSync(path).isSocket ? await dovecotTrouble(path) : "is not a socket";
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? "does not exist" : "cannot be examined";
  }
}
