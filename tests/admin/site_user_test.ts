/** Commands that root runs with the settings of a site, whose keys and state belong to another user. */
import assert from "node:assert/strict";
import { Home, oneLine, SECRET } from "../rig.ts";
import { countersign } from "./run.ts";

const [SITE, OTHER] = [65_534, 65_533];
const GREG = ["--sender", "<>", "--recipient", "greg@example.org"];
/** The commands, and what they print if they can read the key. */
const COMMANDS: [string[], RegExp][] = [
  [["sign", "greg@example.org"], /^SRS0=/],
  [["verify", "SRS0=AAAAAAAA=JR=example.org=greg@srs.example.org"], /^forged: /],
  [["keys", "list"], /k1 .* signs; /],
  [["keys", "list", "--doorbell", "svc"], /b1 .* signs; /],
  [["explain", ...GREG], /^Envelope sender /],
  [["explain", "--at", "rcpt", ...GREG], /^Reply +none/m],
];

Deno.test({
  name: "root uses the keys of a site's user, but not those of others",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    using home = new Home();
    const today = new Date().toISOString().slice(0, 10);
    const folder = `${home.path}/.config/countersign`;
    home.settings(
      `[transport]\nvia = "maildir"\nmaildir = "out"\n[state]\nfolder = "${home.path}/state"\n[[doorbell]]\nname = "svc"\naddress = "svc@example.org"\nkeys = "${folder}/bell"\n`,
    );
    home.write(".config/countersign/keys", `k1 ${today} ${SECRET}\n`, 0o600);
    home.write(".config/countersign/bell", `b1 ${today} ${SECRET}\n`, 0o600);
    Deno.mkdirSync(`${home.path}/state`, { mode: 0o700 });
    Deno.chownSync(`${home.path}/state`, SITE, SITE);
    const chown = (uid: number) => ["keys", "bell"].forEach((one) => Deno.chownSync(`${folder}/${one}`, uid, uid));
    const run = (args: readonly string[]) => countersign(home, args, "From: ann@example.net\n\nhi\n");
    chown(SITE);
    for (const [args, expected] of COMMANDS) {
      const ran = await run(args);
      assert.equal(ran.stderr, "", args.join(" "));
      assert.match(ran.stdout, expected);
    }
    chown(OTHER);
    oneLine(await run(["sign", "greg@example.org"]), 77, /Key file belongs to user 65533, not to 0/);
  },
});
