/** doctor run by root, on a site whose files belong to the user of the service. */
import assert from "node:assert/strict";
import { Authority } from "../certificates.ts";
import { countersign } from "../admin/run.ts";
import { Home } from "../rig.ts";
import { QUICK_LOGIN } from "../submit/submitd_home.ts";
import { Installed } from "./installation.ts";

Deno.test({
  name: "doctor run by root accepts keys and logins of the site's user, and reports those of other users",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    using installed = await Installed.make();
    using home = new Home();
    using authority = await Authority.make();
    const { cert, key } = await authority.leaf("DNS:localhost", 100);
    home.write("cert.pem", cert);
    home.write("key.pem", key, 0o600);
    home.write("users", QUICK_LOGIN, 0o600);
    const { path } = home;
    Deno.chmodSync(path, 0o755);
    home.settings(
      `[state]\nfolder = "${path}/state"\n[transport]\npreset = "sendmail"\ncommand = ["/bin/true"]\n` +
        `[submit]\nauth = "file:${path}/users"\ncertificate = "${path}/cert.pem"\nkey = "${path}/key.pem"\n` +
        "listen = []\nlisten_tls = []\n",
    );
    const [keys, config] = [`${path}/.config/countersign/keys`, `${path}/.config/countersign/config.toml`];
    Deno.mkdirSync(`${path}/state`, { mode: 0o700 });
    const [site, other] = [65_534, 65_533];
    const found = async () => {
      const ran = await countersign(home, ["doctor", "--json", "--config", config, "--hook", installed.hook]);
      const { findings } = JSON.parse(ran.stdout) as {
        findings: { id: string; what: string; where: { file: string } }[];
      };
      return findings.filter(({ id }) => /^(?:key|submit|hook|bounce)/.test(id)).map(({ id, what }) =>
        `${id}: ${what}`
      );
    };
    const own = (uid: number) => {
      for (const file of [keys, `${path}/users`]) Deno.chownSync(file, uid, uid);
    };
    Deno.chownSync(`${path}/state`, site, site);
    own(site);
    assert.deepEqual(await found(), []);
    assert.equal(Deno.statSync(`${path}/state/log`).uid, site, "what the hook writes belongs to the site");
    own(other);
    assert.deepEqual(await found(), [
      `key-file-unusable: Key file belongs to user ${other}, not to 0`,
      `submit-logins-unusable: File of logins belongs to user ${other}, not to 0`,
    ]);
  },
});

/** Returns the paths below a folder that do not belong to this user. */
function notOf(uid: number, folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return [...Deno.lstatSync(path).uid === uid ? [] : [path], ...isDirectory ? notOf(uid, path) : []];
  });
}

Deno.test({
  name: "doctor --loop run by root leaves no file in the state that the site's user cannot read",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    using installed = await Installed.make();
    using home = new Home();
    const { path } = home;
    Deno.chmodSync(path, 0o755);
    const sendmail = home.write("bin/sendmail", "#!/bin/sh\nexec cat >/dev/null\n", 0o755);
    home.settings(
      `group = true\n[state]\nfolder = "${path}/state"\n[transport]\npreset = "sendmail"\ncommand = ["${sendmail}"]\n` +
        `[incoming]\nspam = "${path}/state/Spam"\nforward = true\n`,
    );
    const [keys, config] = [`${path}/.config/countersign/keys`, `${path}/.config/countersign/config.toml`];
    const site = 65_534;
    Deno.mkdirSync(`${path}/state`, { mode: 0o700 });
    Deno.chownSync(`${path}/state`, site, site);
    Deno.chownSync(keys, 0, site);
    Deno.chmodSync(keys, 0o640);
    for (const folder of ["bin", ".config", ".config/countersign"]) Deno.chmodSync(`${path}/${folder}`, 0o755);
    const doctor = installed.shim.replace(/shim$/, "countersign");
    // Like /root, the working directory may be closed to the site's user.
    Deno.mkdirSync(`${path}/private`, { mode: 0o700 });
    const argv = [doctor, "doctor", "--json", "--config", config, "--loop", "--wait", "1"];
    const ran = await home.run(["/bin/sh", "-c", 'cd private && exec "$@"', "sh", ...argv]);
    const ids = JSON.parse(ran.stdout).findings.map(({ id }: { id: string }) => id);
    assert.deepEqual(
      ids.filter((id: string) => /^(?:hook|loop)/.test(id)),
      ["loop-not-returned"],
      ran.stdout + ran.stderr,
    );
    assert.match(home.read("state/log"), / probe=doctor identity=greg@example\.org .* result=sent$/m, ran.stdout);
    assert.deepEqual(notOf(site, `${path}/state`), []);
  },
});
