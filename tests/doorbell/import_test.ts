/** `countersign doorbell allow --file`: all addresses of a file are imported, or none. */
import assert from "node:assert/strict";
import { parseAddress } from "../../lib/address.ts";
import { parseKeys } from "../../lib/settings/keys.ts";
import { importAddresses } from "../../admin/doorbell_import.ts";
import { DoorbellFiles } from "../../io/state/doorbell/files.ts";
import { service } from "../incoming/doorbell/messages.ts";
import { CREATED, oneLine, TempFolder } from "../rig.ts";
import { ANN, filesIn, manage, request, ring, serviceHome, SVC } from "./home.ts";

Deno.test("pm-jacookie's list is imported; what is denied stays so, and a second import changes nothing", async () => {
  using home = serviceHome();
  await manage(home, "deny", "mallory@evil.example");
  const list = home.write(
    ".cookie-cache-whitelist",
    `${ANN}\n# old\n\n  Bob@friend.example \r\nBOB@friend.example\nmallory@evil.example\n"a b"@friend.example\n`,
  );
  const allow = () => manage(home, "allow", "--file", list);
  assert.deepEqual(await allow(), { code: 0, stdout: "3 addresses allowed; 1 denied, which stay so\n", stderr: "" });
  assert.equal((await allow()).stdout, "0 addresses allowed; 3 known before; 1 denied, which stay so\n");
  assert.equal(
    (await manage(home, "list")).stdout,
    `"a b"@friend.example  allowed\n${ANN}  allowed\nbob@friend.example  allowed\nmallory@evil.example  denied\n`,
  );
  const known = await home.doorbell(["--as", "procmail"], request(), { SENDER: ANN, RECIPIENT: SVC });
  assert.deepEqual([known.stdout, home.mails("out")], ["known\n", []]);
  assert.equal((await manage(home, "deny", "--file", list)).stdout, "3 addresses denied; 1 known before\n");
  assert.equal((await ring(home, ANN, SVC, request())).code, 99);
});

Deno.test("every wrong line is reported with its number, and nothing is imported", async () => {
  using home = serviceHome();
  // Lines of the file of keys, a pattern, a name, and text that is not UTF-8.
  const lines = [
    ANN,
    "2004-09-28 joe@x.example 461099608",
    ".*",
    "Bob <bob@friend.example>",
    "a@b@",
    "caf\xe9@x.example",
  ];
  const list = home.write("list", Uint8Array.from([...lines.join("\n")].map((c) => c.charCodeAt(0))));
  const ran = await manage(home, "allow", "--file", list);
  assert.deepEqual([ran.code, ran.stdout], [65, ""]);
  const said = ran.stderr.trimEnd().split("\n");
  assert.deepEqual(said.map((line) => /^doorbell: .*\/list:(\d+): /.exec(line)?.[1]), [
    "2",
    "3",
    "4",
    "5",
    "6",
    undefined,
  ]);
  assert.equal(said.at(-1), "doorbell: 5 lines are not addresses; nothing was imported");
  assert.deepEqual(filesIn(home, "addresses"), []);
  oneLine(await manage(home, "allow", "--file", `${home.path}/missing`), 64, /missing: The file does not exist/);
  oneLine(await manage(home, "forget", "--file", list), 64, /--file cannot be combined with forget/);
  oneLine(await manage(home, "allow", "--file", list, ANN), 64, /Unknown argument/);
});

Deno.test("when an address cannot be written, the earlier ones are as they were", () => {
  using temp = new TempFolder();
  const [now, keys] = [new Date(), parseKeys(`k1 ${CREATED} a secret of the doorbell\n`, "keys")];
  const state = new DoorbellFiles(temp.path, service(), keys, now);
  const all = [ANN, "bob@friend.example", "zoe@friend.example"].map(parseAddress);
  state.setStanding(all[0]!, "remembered", 99_999);
  const old = state.addresses();
  const real = state.setStanding.bind(state);
  let count = 0;
  state.setStanding = (...args) => {
    if (++count === 3) throw new Error("disk full");
    real(...args);
  };
  assert.throws(() => importAddresses(state, all, "allowed"), /disk full/);
  assert.deepEqual(state.addresses(), old);
});

Deno.test("without a valid key, allow reports it instead of doing nothing", async () => {
  using home = serviceHome();
  home.write(".config/countersign/doorbell-keys", "k1 2001-01-01 a secret of the doorbell\n", 0o600);
  oneLine(await manage(home, "allow", ANN), 78, /No key is valid/);
});
