/** Addresses that lead to one mailbox are counted together. */
import assert from "node:assert/strict";
import { parseAddress } from "../../../lib/address.ts";
import { mailboxOf } from "../../../incoming/doorbell/mailbox.ts";

const of = (text: string) => mailboxOf(parseAddress(text));

Deno.test("all spellings of an address lead to one mailbox", () => {
  for (
    const one of [
      "victim@friend.example",
      "VICTIM@FRIEND.example",
      "victim@friend.example.",
      "victim+1@friend.example",
      "v.i.ctim+a+b=c@friend.example",
      "prvs=0123abcdef=victim@friend.example",
      "PRVS=0124abcdef=Victim+x@friend.example",
      "prvs=victim/0123abcdef@friend.example",
      "btv1==0123abc==victim@friend.example",
      "SRS0=aaaa=bb=friend.example=victim@forwarder.example",
      "srs0+aaaa=bb=friend.example=victim@forwarder.example",
      "SRS1=aaaa=other.example==aaaa=bb=friend.example=victim@forwarder.example",
      "SRS0=aaaa=bb=friend.example=prvs=0123abcdef=victim@forwarder.example",
    ]
  ) assert.equal(of(one), "victim@friend.example", one);
  for (const domain of ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "ｂücher.example"]) {
    assert.equal(of(`victim@${domain}`), "victim@xn--bcher-kva.example", domain);
  }
});

Deno.test("other addresses lead to mailboxes of their own", () => {
  const all = [
    "a@x.example",
    "b@x.example",
    "a@y.example",
    "a-b@x.example",
    "+a@x.example",
    "a@[127.0.0.1]",
    "srs0=a@x.example",
  ];
  assert.equal(new Set(all.map(of)).size, all.length);
});

Deno.test("an address of odd characters has a mailbox, too", () => {
  for (
    const one of ['"a b"@x.example', "a@x_y.example", "a@-.example", "a@%.example", "...@x.example", "a@[IPv6:::1]"]
  ) {
    assert.match(of(one), /^.+@.+$/, one);
  }
});
