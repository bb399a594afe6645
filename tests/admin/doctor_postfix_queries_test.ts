/** How doctor queries the tables of Postfix. */
import assert from "node:assert/strict";
import { checkBackscatter } from "../../admin/doctor/backscatter.ts";
import { PostfixQueries } from "../../admin/doctor/postfix_queries.ts";
import { plainSnippet } from "../programs/site.ts";

Deno.test("relative sockets of tables begin at the queue directory, not where doctor runs", async () => {
  const main = plainSnippet("policy/main.cf").replace(/\n[ \t]+/g, " ");
  const asked: string[] = [];
  const queries = await PostfixQueries.of("/etc/postfix", ([program, ...args]) => {
    if (program === "postmap") asked.push(args.at(-1)!);
    const out = args.includes("-M") ? "" : `queue_directory = /var/spool/postfix\n${main.replaceAll("$$", "$")}`;
    return Promise.resolve({ code: 0, said: "", out: program === "postconf" ? out : "" });
  });
  assert.ok(typeof queries !== "string");
  await queries.find("virtual_alias_maps", ["SRS0=x@srs.example.org"]);
  assert.deepEqual(asked.map((table) => table.slice(table.indexOf("socketmap:"))), [
    "socketmap:unix:/var/spool/postfix/countersign/map:srs-reverse }",
  ]);
});

Deno.test("a table of 200,000 domains", async () => {
  const domains = Array.from({ length: 200_000 }, (_, n) => `d${n}.example\tx`).join("\n");
  const queries = await PostfixQueries.of("/etc/postfix", ([program, ...args]) => {
    const main = "virtual_alias_domains = hash:/etc/postfix/domains\nvirtual_alias_maps = hash:/etc/postfix/virtual\n";
    const out = program === "postconf" ? args.includes("-M") ? "" : main : args.includes("-s") ? domains : "";
    return Promise.resolve({ code: 0, said: "", out });
  });
  assert.ok(typeof queries !== "string");
  assert.deepEqual((await checkBackscatter(queries)).map(({ id }) => id), []);
});
