/** What a bundled program loads late is found where the launcher lets it read little. */
import assert from "node:assert/strict";
import { bundle } from "../contrib/install/bundle.ts";
import { launcherText } from "../contrib/install/launcher.ts";
import { signTag } from "../mod.ts";
import { Home, SECRET } from "./rig.ts";

/** A bounce that returns our tag where only postal-mime finds it: in a part of a part, each encoded. */
async function deep(): Promise<string> {
  const tag = await signTag("greg@example.org", "<1@example.org>", { key: "k1", secret: SECRET });
  const returned = `From: greg@example.org\nMessage-ID: <1@example.org>\nX-Msgauth: ${tag.slice(0, 30)}=\n${
    tag.slice(30)
  }\n\nx\n`;
  const inner = `Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n${returned}`;
  const wrapped = btoa(inner).replace(/.{76}/g, "$&\n");
  return "From: MAILER-DAEMON@mx.example.net\nTo: greg@example.org\nSubject: failure notice\nMessage-ID: <2@mx.example>\n" +
    'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: message/rfc822\n' +
    `Content-Transfer-Encoding: base64\n\n${wrapped}\n--b--\n`;
}

Deno.test("a hook with permissions that are not wide loads its late parts", async () => {
  using home = new Home();
  const folder = `${home.path}/lib/hooks`;
  await bundle(`${home.path}/lib`);
  const start = { program: "incoming", rights: "incoming", deno: "deno", entry: "$here/incoming.js", cache: "" };
  home.write("lib/hooks/incoming", launcherText({ ...start, flags: "--no-config --no-npm --no-remote" }), 0o755);
  assert.match(home.read(".config/countersign/config.permissions"), /^incoming read /m);

  const mail = await deep();
  const hook = () => home.run([`${folder}/incoming`], mail, { SENDER: "", RECIPIENT: "greg@example.org" });
  assert.deepEqual(await hook(), { code: 0, stdout: "", stderr: "" });
  assert.match(home.read(".local/state/countersign/log"), /result=genuine/);

  // Without them it is not judged: it was they that found the tag.
  const [late] = [...Deno.readDirSync(folder)].filter(({ name }) => name.startsWith("postal-mime-"));
  Deno.removeSync(`${folder}/${late!.name}`);
  assert.equal((await hook()).code, 75);
});
