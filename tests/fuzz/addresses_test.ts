/** Addresses and address lists. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatAddress, formatMailbox, parseAddress, parseAddressList } from "../../lib/address.ts";
import { fuzz } from "./fuzz.ts";
import { addresses, anyText, orFail, piecesOf, words } from "./texts.ts";

const texts = piecesOf([
  ...'()<>[]:;@\\,". \t\r\n',
  "a@x",
  "<b@y>",
  "Ann ",
  "<>",
  "g:",
  '"a b"',
  "<@h:",
  "[1.2.3.4]",
  '"a\n b"@x',
  '"\r"@x',
  '"\0"@x',
]);
const CONTROL = /[\r\n\0]/;

fuzz("parseAddress reverses formatAddress", addresses, (address) => {
  assert.deepEqual(parseAddress(formatAddress(address)), address);
});

fuzz(
  "parseAddressList reverses formatMailbox",
  fc.array(fc.tuple(fc.oneof(fc.constant(""), words), addresses)),
  (entries) => {
    const text = entries.map(([name, address]) => formatMailbox(name, address)).join(", ");
    assert.deepEqual(parseAddressList(text), entries.map(([name, address]) => ({ name, address })));
  },
);

fuzz(
  "each address of a list can also be parsed alone",
  fc.tuple(texts, fc.boolean()),
  ([text, bare]) => {
    const found = orFail(() => parseAddressList(text, { bare }), "address-invalid");
    for (const { address } of found ?? []) {
      if (address === null) continue;
      assert.doesNotMatch(formatAddress(address), CONTROL);
      if (address.domain !== "") assert.deepEqual(parseAddress(formatAddress(address)), address);
      else assert.ok(bare && parseAddressList(address.local, { bare }).length === 1);
    }
  },
);

fuzz("a single address is parsed unchanged or rejected", fc.oneof(texts, anyText), (text) => {
  const found = orFail(() => parseAddress(text), "address-invalid", "no-at");
  if (found === undefined) return;
  assert.equal(formatAddress(found), text);
  assert.doesNotMatch(text, CONTROL);
  assert.deepEqual(parseAddressList(text), [{ name: "", address: found }]);
});
