/** Reads the terms of a service in the language of a person. */
import type { Service } from "../../lib/settings/doorbell.ts";
import { readIfPresent } from "../system/files.ts";

/** Maximum number of languages that are looked for, and characters of the terms. */
const [MAX_LANGUAGES, MAX_TERMS_LENGTH] = [8, 20_000];

/**
 * Returns the terms in the first of these languages that has a file, otherwise in the language of the service.
 *
 * @returns an empty text if there are none
 * @throws {Fail} `temporary` when a file cannot be read
 */
export function termsFor({ terms, language }: Service, languages: readonly string[]): string {
  if (terms === "") return "";
  for (const one of [...languages.slice(0, MAX_LANGUAGES), language]) {
    const [main, ...region] = one.split("-");
    const usual = [main!.toLowerCase(), ...region.map((part) => part.toUpperCase())].join("-");
    const text = readIfPresent(`${terms}/${usual}`) ?? readIfPresent(`${terms}/${one}`);
    if (text !== undefined) return text.slice(0, MAX_TERMS_LENGTH);
  }
  return "";
}
