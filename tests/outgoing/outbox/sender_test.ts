/** The envelope sender is signed anew at each attempt. */
import assert from "node:assert/strict";
import { formatAddress, parseAddress } from "../../../lib/address.ts";
import { signedSender } from "../../../outgoing/outbox/sender.ts";
import { chair, context, day, greg, now, signedAddress } from "../../judging.ts";

const { settings } = context("[prvs]\nreceive = true\n");
const { settings: withoutPrvs } = context("");
const sign = (
  address: string | null | undefined,
  scheme: "srs" | "prvs" | "plain" | "none",
  identities = [greg, chair],
  when = now,
  withSettings = settings,
) => {
  const { sender, note } = signedSender(
    { address: address ? parseAddress(address) : address as null, scheme },
    identities,
    withSettings,
    when,
  );
  return [sender ? formatAddress(sender) : sender, note] as const;
};

Deno.test("with the key and the day of the attempt", () => {
  assert.deepEqual(sign("greg@example.org", "srs"), [signedAddress(greg), undefined]);
  const later = sign("greg@example.org", "srs", [greg], day(4))[0]!;
  assert.deepEqual([later, later === signedAddress(greg)], [signedAddress(greg, "greg@example.org", day(4)), false]);
  assert.match(sign("chair@club.example", "prvs")[0]!, /^prvs=\w+=chair@club\.example$/);
  const also = { ...greg, also: ["greg+*@example.org"] };
  assert.deepEqual(sign("greg+x@example.org", "srs", [also]), [signedAddress(greg, "greg+x@example.org"), undefined]);
});

Deno.test("what must not be signed stays as it was given", () => {
  for (const address of ["jo@other.example", null, undefined]) {
    assert.deepEqual(sign(address, "none"), [address, undefined]);
  }
  assert.deepEqual(sign("greg@example.org", "plain"), ["greg@example.org", undefined]);
});

const domainless = { ...greg, srsDomain: "" };

Deno.test("where the SRS domain is gone, prvs takes its place, as in a new message", () => {
  const [sender, note] = sign("greg@example.org", "srs", [domainless]);
  assert.match(sender!, /^prvs=\w+=greg@example\.org$/);
  assert.equal(note, "greg@example.org has no srs_domain");
});

Deno.test("what cannot be signed any more is sent with the plain sender, and a note", () => {
  const gone = "sent with the plain sender: greg@example.org is not an identity any more";
  assert.deepEqual(sign("greg@example.org", "srs", [chair]), ["greg@example.org", gone]);
  const old = "sent with the plain sender: no key of greg@example.org can sign";
  assert.deepEqual(sign("greg@example.org", "srs", [greg], day(2000)), ["greg@example.org", old]);
  const none = "sent with the plain sender: greg@example.org has no srs_domain; prvs.receive is off";
  assert.deepEqual(sign("greg@example.org", "srs", [domainless], now, withoutPrvs), ["greg@example.org", none]);
});
