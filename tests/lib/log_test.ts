import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { type Event, logAddress, logLine, maskAddresses } from "../../lib/log.ts";

const NOW = new Date("2026-11-20T05:32:58.123Z");
const TIME = "time=2026-11-20T05:32:58Z";

Deno.test("A log line has key=value pairs in the given order", () => {
  const good = (event: Event, rest: string) => assert.equal(logLine(event, NOW), `${TIME}${rest}\n`);
  good({}, "");
  good({ direction: "out", recipients: 2 }, " direction=out recipients=2");
  good({ recipients: 0 }, " recipients=0");
  good({ direction: "out", note: "", why: undefined, result: "sent" }, " direction=out result=sent");
  good(
    { sender: "SRS0=ab-_=G3=example.org=greg@srs.example.org" },
    " sender=SRS0=ab-_=G3=example.org=greg@srs.example.org",
  );
  good({ to: "<>" }, " to=<>");
  good({ why: "no such user" }, ' why="no such user"');
  good({ why: 'a "b" \\' }, ' why="a \\"b\\" \\\\"');
  good({ why: "a\nresult=sent" }, ' why="a\\nresult=sent"');
  good({ why: "\u001b[2J\u009b2J\u007f\u2028" }, ' why="\\u001b[2J\\u009b2J\\u007f\\u2028"');
});

Deno.test("Only the domain of other people's addresses is logged unless log_addresses is set", () => {
  const address = parseAddress("joe@example.com");
  assert.equal(logAddress(address, false), "@example.com");
  assert.equal(logAddress(address, true), "joe@example.com");
  assert.equal(logAddress(null, false), "<>");
  assert.equal(logAddress(null, true), "<>");
  assert.equal(logAddress({ local: "root", domain: "" }, false), "@");
});

Deno.test("addresses are removed from the text of servers and programs", () => {
  const envelope = [
    parseAddress("ann@example.net"),
    parseAddress("x@example.net"),
    parseAddress('"a.b+c"@example.net'),
  ];
  const rows: [string, string][] = [
    ["250 2.0.0 Ok: queued as 4XyZ", "250 2.0.0 Ok: queued as 4XyZ"],
    ["<ann@example.net>: No such user", "<@example.net>: No such user"],
    ["bob=x@a.example,carl@[192.0.2.1] and Ann: annual", "@a.example,@[192.0.2.1] and …: annual"],
    ["x is short; a.b+c is not", "x is short; … is not"],
    ["@example.net user@ @", "@example.net user@ @"],
  ];
  for (const [text, masked] of rows) assert.equal(maskAddresses(text, envelope), masked);
});
