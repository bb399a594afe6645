/** The Debian package: lintian, and its programs, unpacked by dpkg into a folder with a database of its own. */
import assert from "node:assert/strict";
import { VERSION } from "../lib/version.ts";
import { assertLinks, FORGED, MAIL, minimalEnv, testPrograms, userHome } from "./installed.ts";
import { lacking, tests } from "./programs/need.ts";
import { filesBelow, Home, isFile, oneLine, ROOT } from "./rig.ts";

const missing = [await lacking("dpkg-deb", "dpkg"), await lacking("lintian")];
const test = tests(missing.filter((one) => one !== "").join("; "));

test("the Debian package", async (t) => {
  using work = new Home();
  const deb = `${work.path}/made/countersign.deb`;
  const run = (...argv: string[]) => work.run(argv);

  await t.step("is built from what `deno task install` creates", async () => {
    const env = { DEBFULLNAME: "Greg", DEBEMAIL: "greg@debian.org", SOURCE_DATE_EPOCH: "1795000000" };
    const build = [Deno.execPath(), "run", "-q", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/build/install/deb.ts`];
    assert.deepEqual(await work.run([...build, deb], "", env), { code: 0, stdout: `${deb}\n`, stderr: "" });
    const { stdout } = await run("dpkg-deb", "-f", deb);
    assert.match(stdout, /^Version: \S+\nArchitecture: all\nMaintainer: Greg <greg@debian\.org>$/m);
    assert.ok(stdout.includes(`Version: ${VERSION}\n`));
    assert.match(stdout, /requires Deno \d+\.\d+\.\d+ or later, which is not in Debian/);
  });

  await t.step("has no errors or warnings of lintian", async () => {
    const ran = await run("lintian", "--allow-root", "--fail-on", "error,warning", deb);
    assert.deepEqual([ran.code, ran.stdout], [0, ""], ran.stderr);
  });

  const root = `${work.path}/root`;
  const prefix = `${root}/usr`;
  // Its own database, so that nothing changes for this machine's dpkg; nothing is run in this root.
  const dpkg = (...args: string[]) =>
    run("dpkg", `--root=${root}`, "--force-not-root,depends", `--log=${work.path}/dpkg.log`, ...args);
  using home = await userHome();

  await t.step("is installed", async () => {
    for (const folder of ["updates", "info"]) Deno.mkdirSync(`${root}/var/lib/dpkg/${folder}`, { recursive: true });
    work.write("root/var/lib/dpkg/status", "");
    const ran = await dpkg("-i", deb);
    assert.equal(ran.code, 0, ran.stderr);
    for (
      const at of ["bin/shim", "bin/countersign", "share/man/man1/countersign.1.gz", "share/doc/countersign/copyright"]
    ) {
      assert.ok(isFile(`${prefix}/${at}`), at);
    }
    assert.equal((await run("gzip", "-t", ...filesBelow(`${prefix}/share/man`))).code, 0);
    assertLinks(`${prefix}/share/doc/countersign`);
    const forward = Deno.readTextFileSync(`${prefix}/share/doc/countersign/contrib/postfix/local/forward`);
    assert.match(forward, /^"\|\/usr\/lib\/countersign\/hooks\/incoming --as postfix /);
  });

  const places = ["/usr/local/bin/deno", "/usr/bin/deno"].filter(isFile);
  if (places.length === 0) {
    await t.step("without Deno, mail is deferred with one line that says what to install", async () => {
      const said =
        /^\S+: Deno \(deno\) is missing: install it as \/usr\/local\/bin\/deno, or as \/usr\/lib\/countersign\/deno\n$/;
      oneLine(await home.run([`${prefix}/bin/shim`, "--", "ann@example.net"], MAIL, minimalEnv(home)), 75, said);
      const env = { ...minimalEnv(home), SENDER: "", EXT: "greg", HOST: "example.org" };
      oneLine(await home.run([`${prefix}/lib/countersign/hooks/incoming`], FORGED, env), 75, said);
    });
  }

  await t.step("with Deno, it signs a message, and judges its bounce and a forged one", async () => {
    Deno.symlinkSync(Deno.execPath(), `${prefix}/lib/countersign/deno`);
    const ran = await home.run([`${prefix}/bin/countersign`, "version"], "", minimalEnv(home));
    assert.deepEqual([ran.code, ran.stdout], [0, `countersign ${VERSION}\n`]);
    await testPrograms(home, prefix);
    Deno.removeSync(`${prefix}/lib/countersign/deno`);
  });

  await t.step("is removed without a trace", async () => {
    const ran = await dpkg("-r", "countersign");
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(filesBelow(root).filter((path) => !path.startsWith(`${root}/var/lib/dpkg/`)), []);
  });
});
