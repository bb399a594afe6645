import assert from "node:assert/strict";
import { nearest } from "../../lib/nearest.ts";

const WORDS = ["shim", "sendmail", "incoming", "help", "version"];

function good(word: string, meant: string) {
  Deno.test({ name: `nearest() of ${word} is ${meant}`, permissions: "none" }, () => {
    assert.equal(nearest(word, WORDS), meant);
  });
}

function bad(word: string, words = WORDS) {
  Deno.test({
    name: `nearest() finds nothing for ${word || "the empty word"} among ${words.length} words`,
    permissions: "none",
  }, () => {
    assert.equal(nearest(word, words), undefined);
  });
}

for (const word of WORDS) {
  good(word, word);
  good(word.slice(1), word);
  good(`${word}s`, word);
  good(word[1]! + word[0]! + word.slice(2), word);
}
good("hlep", "help");
good("sendmale", "sendmail");
good("verison", "version");
good("incomming", "incoming");

Deno.test({ name: "nearest() with a limit on the letters that differ", permissions: "none" }, () => {
  const domains = ["mail.example.org", "sr.example.org"];
  assert.equal(nearest("srs.example.org", domains, 2), "sr.example.org");
  assert.equal(nearest("srs.example.org", domains.slice(0, 1)), "mail.example.org");
  assert.equal(nearest("srs.example.org", domains.slice(0, 1), 2), undefined);
});

bad("");
bad("xyzzy");
bad("constructor");
bad("sh");
bad("shim", []);
