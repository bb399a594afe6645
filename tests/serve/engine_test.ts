/** Reloading: changes are noticed, and invalid files are reported once and not used. */
import assert from "node:assert/strict";
import { CREATED, SECRET } from "../rig.ts";
import { EngineHome } from "./engine.ts";
import { Watch } from "../../serve/watch.ts";

const NOW = { interval: 0, settled: 0 };

Deno.test("changed files are reloaded when the settings are needed", () => {
  using home = new EngineHome();
  const engine = home.start(NOW);
  const first = engine.loaded;
  assert.equal(engine.loaded, first, "nothing has changed");
  home.configure('contact = "jo@example.org"');
  assert.equal(engine.loaded.settings.serve.contact, "jo@example.org");
  assert.deepEqual(home.reports, ["Settings reloaded"]);

  home.configure('moved = "moved"');
  home.write("moved", "a@old.example b@new.example\n");
  assert.equal(engine.loaded.moved.size, 1);
  home.write("moved", "a@old.example b@new.example\nc@old.example b@new.example\n");
  assert.equal(engine.loaded.moved.size, 2);
  home.write("plain-lists", "list@lists.example\n");
  assert.ok(engine.loaded.settings.plainLists!.has("list@lists.example"));
  home.write("keys/.new", `k2 ${CREATED} greg2 ${SECRET}\nk1 ${CREATED} greg ${SECRET}\n`, 0o600);
  Deno.renameSync(`${home.path}/keys/.new`, `${home.path}/keys/greg`);
  assert.equal(engine.loaded.identities[0]!.keys.length, 2, "a file that was replaced");
  assert.equal(home.reports.length, 5);
});

Deno.test("a key file that becomes unreadable, and readable again, is reported once each time", () => {
  using home = new EngineHome();
  const engine = home.start(NOW);
  Deno.chmodSync(`${home.path}/keys/greg`, 0o644);
  assert.equal(engine.loaded.unreadable.size, 1);
  home.configure('contact = "jo@example.org"');
  assert.equal(engine.loaded.unreadable.size, 1);
  Deno.removeSync(`${home.path}/keys/greg`);
  assert.equal(engine.loaded.unreadable.size, 1);
  home.write("keys/greg", `k1 ${CREATED} greg ${SECRET}\n`, 0o600);
  assert.equal(engine.loaded.unreadable.size, 0);
  const keys = home.reports.filter((one) => one !== "Settings reloaded");
  assert.equal(keys.length, 2, keys.join("\n"));
  assert.match(keys[0]!, /^greg@example\.org is neither signed for nor judged: .*keys\/greg: Key file is readable/);
  assert.match(keys[1]!, /^greg@example\.org .*keys\/greg: Key file does not exist/);
});

Deno.test("a named pipe in place of a key file does not stop the engine", async () => {
  using home = new EngineHome();
  Deno.removeSync(`${home.path}/keys/greg`);
  const { success } = await new Deno.Command("mkfifo", { args: ["-m", "600", `${home.path}/keys/greg`] }).output();
  assert.ok(success);
  assert.equal(home.engine.reload(), undefined);
  const [[identity, why] = []] = home.engine.loaded.unreadable;
  assert.equal(identity?.address.local, "greg");
  assert.match(why!, /keys\/greg: Key file is not a regular file/);
});

Deno.test("with an invalid file the previous settings remain in use, and the error is reported once", () => {
  const rows: [string, (home: EngineHome) => void, RegExp][] = [
    ["settings", (home) => home.configure("nonsense = 1"), /site\.toml:\d+: .*nonsense/],
    ["lists", (home) => void home.write("plain-lists", "not a list\n"), /plain-lists:1: /],
    ["moved", (home) => void home.write("moved", "a@old.example\n"), /moved:1: Line is not an old and a new address/],
    [
      "moved, removed",
      (home) => Deno.removeSync(`${home.path}/moved`),
      /moved: File of moved addresses does not exist/,
    ],
    ["sockets", (home) => {
      home.write("site.toml", home.read("site.toml").replace('"sockets"', '"elsewhere"'));
    }, /serve\.socket_folder was changed, which requires a restart/],
    ["all keys removed", (home) => {
      for (const user of ["greg", "ann"]) Deno.removeSync(`${home.path}/keys/${user}`);
    }, /No key file can be read: .*keys\/greg/],
  ];
  for (const [what, damage, expected] of rows) {
    using home = new EngineHome();
    home.write("moved", "a@old.example b@new.example\n");
    home.configure('moved = "moved"');
    const engine = home.start(NOW);
    const { settings } = engine.loaded;
    damage(home);
    for (let times = 0; times < 3; times++) assert.equal(engine.loaded.settings, settings, what);
    assert.equal(home.reports.length, 1, home.reports.join("\n"));
    assert.match(home.reports[0]!, /^Settings not reloaded, the previous ones remain in use: /);
    assert.match(home.reports[0]!, expected);
    assert.match(home.log().at(-1)!, /^at=serve result=kept error=/);
    home.configure('contact = "jo@example.org"');
    for (const user of ["greg", "ann"]) home.write(`keys/${user}`, `k1 ${CREATED} ${user} ${SECRET}\n`, 0o600);
    home.write("plain-lists", "");
    assert.equal(engine.loaded.settings.serve.contact, "jo@example.org", "repaired");
  }
});

Deno.test("files are checked once per interval, and not read while they are being written", () => {
  using home = new EngineHome();
  const path = home.write("file", "1");
  const begun = Date.now();
  const [interval, settled] = [3000, 1000];
  const watch = new Watch([path, `${home.path}/none`], begun, { interval, settled });
  home.write("file", "12");
  assert.equal(watch.changed(begun + 2999), false, "within the interval");
  // The file was changed just now, although the test simulates a later time.
  assert.equal(new Watch([path], begun, { interval, settled }).changed(begun + 3000), false, "unchanged");
  assert.equal(watch.changed(begun + 4000), true);
  assert.equal(watch.changed(begun + 4001), false, "within the next interval");
  const young = new Watch([path], begun - 3000, { interval, settled });
  home.write("file", "123");
  assert.equal(young.changed(Date.now()), false, "being written");
  const back = new Watch([path], begun, { interval, settled });
  home.write("file", "1234");
  assert.equal(back.changed(begun - 3_600_000), true, "the clock was put back");
});
