/** Settings of the whole site, in /etc: for users who have none of their own. In a private view of the file system. */
import assert from "node:assert/strict";
import { fieldOf, Home, type Ran, ROOT, SECRET } from "./rig.ts";
import { COUNTERSIGN } from "./admin/run.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";
const SITE = "etc/countersign/config.toml";

/** Runs programs where /etc holds what the home's etc holds, besides its own. */
async function on(home: Home, line: string, input = MAIL): Promise<Ran> {
  const layers = "lowerdir=/etc,upperdir=$HOME/etc,workdir=$HOME/work";
  const mount = `mkdir -p "$HOME/work" && mount -t overlay overlay -o "${layers}" /etc && ${line}`;
  return await home.run(["unshare", "-m", "/bin/sh", "-c", mount], input);
}

/** May we have such a view? It takes root, and a kernel that allows it. */
async function possible(): Promise<boolean> {
  using home = new Home();
  home.write(SITE, "");
  return (await on(home, "test -f /etc/countersign/config.toml")).code === 0;
}

Deno.test({
  name: "who has no settings has those of the site; init makes his own",
  ignore: !await possible(),
  fn: async () => {
    using home = new Home();
    Deno.removeSync(`${home.path}/.config`, { recursive: true });
    const identity = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "site.example.org"\nkeys = "~/keys"\n`;
    home.write(SITE, `${identity}[transport]\nvia = "maildir"\nmaildir = "~/out"\n`);
    Deno.removeSync(`${home.path}/etc/countersign/config.sandbox`); // they are for another path
    home.write("keys", `k1 ${new Date().toISOString().slice(0, 10)} ${SECRET}\n`, 0o600);
    const countersign = COUNTERSIGN.map((word) => `'${word}'`).join(" ");
    const sender = (domain: string) => new RegExp(`^<SRS0=.*@${domain.replaceAll(".", "\\.")}>$`);

    // With permissions and without: the launcher looks where the shim looks.
    for (const before of ["", `${countersign} sandbox >/dev/null &&`]) {
      assert.equal((await on(home, `${before} ${ROOT}/shim/shim ann@example.net`)).stderr, "");
      assert.match(fieldOf(home.mails("out").at(-1)!, "Return-Path"), sender("site.example.org"));
    }
    assert.match(home.read("etc/countersign/config.sandbox"), /^shim --allow-write=~\/out$/m);

    const made = await on(
      home,
      `${countersign} init --yes --address greg@example.org --via maildir --maildir '~/mine'`,
    );
    assert.deepEqual([made.code, made.stderr], [0, ""]);
    assert.match(made.stdout, new RegExp(`^Written: ${home.path}/\\.config/countersign/config\\.toml$`, "m"));
    assert.equal((await on(home, `${ROOT}/shim/shim ann@example.net`)).stderr, "");
    assert.equal(home.mails("mine").length, 1);
  },
});
