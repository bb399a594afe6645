/** Files with programs, lists or keys that others can write are not used. */
import assert from "node:assert/strict";
import { launcherText } from "../../build/install/launcher.ts";
import { isGroupOf } from "../../lib/settings/groups.ts";
import { Home, oneLine } from "../rig.ts";
import { countersign } from "./run.ts";

const MAIL = "From: greg@example.org\nTo: ann@example.net\nSubject: Hello\nMessage-ID: <1@example.org>\n\nHi.\n";
const FOLDER = ".config/countersign";
const root = Deno.uid() === 0;

/** Whether the group of a file is the private group of the user. */
function isPrivate(path: string): boolean {
  const [passwd, group] = ["/etc/passwd", "/etc/group"].map((one) => Deno.readTextFileSync(one));
  return isGroupOf(Deno.statSync(path).gid!, [Deno.uid()!, 0], passwd!, group!);
}

/** A home with a list file. */
function withLists(): Home {
  const home = new Home();
  home.write(`${FOLDER}/plain_lists`, "list@example.net\n");
  home.settings(`[transport]\nvia = "maildir"\nmaildir = "~/out"\n`, `plain_lists = "~/${FOLDER}/plain_lists"`);
  return home;
}

/** Sends a message to a list, which needs all files. */
const send = (home: Home) => home.shim(["list@example.net"], MAIL);

const files = ["config.toml", "config.sandbox", "plain_lists"];

for (const file of files) {
  for (const mode of [0o666, 0o646, 0o602, 0o662]) {
    Deno.test(`${file} with mode 0${mode.toString(8)}: rejected, with the fix`, async () => {
      using home = withLists();
      const path = `${home.path}/${FOLDER}/${file}`;
      Deno.chmodSync(path, mode);
      const fix = (mode & ~0o022).toString(8);
      oneLine(
        await send(home),
        77,
        new RegExp(`${path}: .* is writable by others \\(mode 0${mode.toString(8)}\\): chmod ${fix} ${path}$`, "m"),
      );
      const hook = await home.hook(["--maildir", `${home.path}/out`], MAIL.replace("To: ann", "To: greg"), {
        ...{ SENDER: "list@example.net", EXT: "", HOST: "example.org" },
      });
      if (file === "plain_lists") return; // the hook does not use it
      oneLine(hook, 75, /is writable by others/);
      assert.deepEqual(home.mails("out"), []);
    });
  }

  Deno.test(`a group-writable ${file}: accepted only for the private group of the user`, async () => {
    using home = withLists();
    const path = `${home.path}/${FOLDER}/${file}`;
    Deno.chmodSync(path, 0o664);
    // In the sandbox the shim may not read the accounts until sandbox is run with the new mode.
    oneLine(await send(home), 77, / is writable by others \(mode 0664\): chmod 644 \S+$/m);
    const permitted = await countersign(home, ["sandbox"]);
    if (!isPrivate(path)) return oneLine(permitted, 77, / is writable by others \(mode 0664\)/);
    assert.equal(permitted.code, 0, permitted.stderr);
    const sent = await send(home);
    assert.deepEqual([sent.code, sent.stderr], [0, ""]);
  });

  Deno.test({ name: `${file} whose group has other members: rejected`, ignore: !root }, async () => {
    using home = withLists();
    const path = `${home.path}/${FOLDER}/${file}`;
    Deno.removeSync(`${home.path}/${FOLDER}/config.sandbox`);
    if (file === "config.sandbox") home.sandbox(`${FOLDER}/config.toml`);
    for (const gid of [1, 12345]) { // daemon's, and nobody's
      Deno.chownSync(path, 0, gid);
      Deno.chmodSync(path, 0o664);
      oneLine(await send(home), 77, / is writable by others \(mode 0664\)/);
      assert.deepEqual(home.mails("out"), []);
    }
  });

  Deno.test({ name: `${file} of another user: rejected`, ignore: !root }, async () => {
    using home = withLists();
    Deno.chownSync(`${home.path}/${FOLDER}/${file}`, 12345, 12345);
    const [status, says] = file === "config.sandbox"
      ? [75, /belongs to another user$/m]
      : [77, /belongs to user 12345/];
    oneLine(await send(home), status as number, says as RegExp);
    assert.deepEqual(home.mails("out"), []);
  });
}

const BOUNCE = "From: MAILER-DAEMON@example.net\nSubject: failure notice\n\nHi. This is the qmail-send program\n";

for (const mode of [0o640, 0o620, 0o604, 0o644, 0o666]) {
  Deno.test(`a key file with mode 0${mode.toString(8)}: nothing is signed or judged with it`, async () => {
    using home = withLists();
    const path = `${home.path}/${FOLDER}/keys`;
    Deno.chmodSync(path, mode);
    const says = new RegExp(`Key file is readable by others \\(mode 0${mode.toString(8)}\\): chmod 600 ${path}$`, "m");
    oneLine(await send(home), 77, says);
    const env = { SENDER: "", RECIPIENT: "greg@example.org", EXT: "", HOST: "example.org" };
    oneLine(await home.hook(["--maildir", `${home.path}/out`], BOUNCE, env), 75, says);
    assert.deepEqual(home.mails("out"), []);
  });
}

Deno.test({ name: "a key file of another user: rejected", ignore: !root }, async () => {
  using home = withLists();
  Deno.chownSync(`${home.path}/${FOLDER}/keys`, 12345, 12345);
  oneLine(await send(home), 77, /Key file belongs to user 12345/);
  assert.deepEqual(home.mails("out"), []);
});

Deno.test("with identity.group the group may read the key file, and nobody else", async () => {
  using home = withLists();
  const config = home.read(`${FOLDER}/config.toml`);
  home.write(`${FOLDER}/config.toml`, config.replace("[[identity]]", "[[identity]]\ngroup = true"));
  Deno.chmodSync(`${home.path}/${FOLDER}/keys`, 0o640);
  assert.equal((await send(home)).code, 0);
  for (const mode of [0o660, 0o644]) {
    Deno.chmodSync(`${home.path}/${FOLDER}/keys`, mode);
    oneLine(await send(home), 77, /Key file is readable by others/);
  }
});

/** [the owner of the sandbox file, the error of the launcher run by another user] */
const owners: [number, RegExp][] = [
  [0, /^run -q .*--allow-read=.* hook-stub incoming$/m],
  [12345, /^run -q .*--allow-read=.* hook-stub incoming$/m],
  [12346, /config\.sandbox belongs to another user$/m],
];
for (const [uid, says] of owners) {
  Deno.test({ name: `user 12345 and permissions of user ${uid}`, ignore: !root }, async () => {
    using home = new Home();
    Deno.chmodSync(home.path, 0o755);
    const deno = home.write("tools/deno", '#!/bin/sh\necho "$@"\n', 0o755);
    const entry = home.write("hook-stub", "nothing\n");
    const start = { program: "the hook", rights: "incoming", deno, entry, flags: "", cache: "" };
    const launcher = home.write("tools/incoming", launcherText(start), 0o755);
    Deno.chownSync(`${home.path}/${FOLDER}/config.sandbox`, uid, uid);
    const user = ["/usr/bin/setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"];
    const ran = await home.run([...user, launcher], MAIL);
    assert.match((ran.stdout + ran.stderr).replaceAll(`${home.path}/hook`, "hook"), says);
  });
}
