/** Settings of a site in /etc, for users without their own, tested in a private mount namespace. */
import assert from "node:assert/strict";
import { fieldOf, Home, type Ran, ROOT, SECRET } from "./rig.ts";
import { COUNTERSIGN } from "./admin/run.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\nMessage-ID: <1@example.org>\n\nHi.\n";
const SITE = "etc/countersign/config.toml";

/** Runs a shell line where the home's etc is mounted over /etc. */
async function withEtc(home: Home, line: string, input = MAIL): Promise<Ran> {
  const layers = "lowerdir=/etc,upperdir=$HOME/etc,workdir=$HOME/work";
  const mount = `mkdir -p "$HOME/work" && mount -t overlay overlay -o "${layers}" /etc && ${line}`;
  return await home.run(["unshare", "-m", "/bin/sh", "-c", mount], input);
}

/** Whether overlays can be mounted, which requires root and a kernel that allows it. */
async function canMount(): Promise<boolean> {
  using home = new Home();
  home.write(SITE, "");
  return (await withEtc(home, "test -f /etc/countersign/config.toml")).code === 0;
}

Deno.test({
  name: "a user without settings has those of the site; init creates the user's own",
  ignore: !await canMount(),
  fn: async () => {
    using home = new Home();
    Deno.removeSync(`${home.path}/.config`, { recursive: true });
    const identity = `[[identity]]\naddress = "greg@example.org"\nsrs_domain = "site.example.org"\nkeys = "~/keys"\n`;
    home.write(SITE, `${identity}[transport]\nvia = "maildir"\nmaildir = "~/out"\n`);
    Deno.removeSync(`${home.path}/etc/countersign/config.sandbox`); // It was made for another path.
    home.write("keys", `k1 ${new Date().toISOString().slice(0, 10)} ${SECRET}\n`, 0o600);
    const countersign = COUNTERSIGN.map((word) => `'${word}'`).join(" ");
    const sender = (domain: string) => new RegExp(`^<SRS0=.*@${domain.replaceAll(".", "\\.")}>$`);

    // Without and with a sandbox file: the launcher finds the same settings as the shim.
    for (const before of ["", `${countersign} sandbox >/dev/null &&`]) {
      assert.equal((await withEtc(home, `${before} ${ROOT}/shim/shim ann@example.net`)).stderr, "");
      assert.match(fieldOf(home.mails("out").at(-1)!, "Return-Path"), sender("site.example.org"));
    }
    assert.match(home.read("etc/countersign/config.sandbox"), /^shim --allow-write=~\/out$/m);

    const init = await withEtc(
      home,
      `${countersign} init --yes --address greg@example.org --via maildir --maildir '~/mine'`,
    );
    assert.deepEqual([init.code, init.stderr], [0, ""]);
    assert.match(init.stdout, /^Written in ~\/\.config\/countersign\/: config\.toml, /m);
    assert.equal((await withEtc(home, `${ROOT}/shim/shim ann@example.net`)).stderr, "");
    assert.equal(home.mails("mine").length, 1);
  },
});
