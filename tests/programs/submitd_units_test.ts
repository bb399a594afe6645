/** The units of contrib/submitd: systemd's own checks. */
import assert from "node:assert/strict";
import { ROOT } from "../rig.ts";
import { need } from "./need.ts";

const UNITS = `${ROOT}/contrib/submitd`;
const test = await need("systemd-analyze", "systemd");

test("systemd accepts the units of submitd", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "countersign-units-" });
  try {
    const names = [...Deno.readDirSync(UNITS)].map(({ name }) => name).filter((name) =>
      /\.(?:service|socket)$/.test(name)
    );
    assert.equal(names.length, 6);
    for (const name of names) {
      const text = Deno.readTextFileSync(`${UNITS}/${name}`).replace("/usr/local/bin/countersign submitd", "/bin/true");
      Deno.writeTextFileSync(`${folder}/${name}`, text);
    }
    for (const name of names) {
      const unit = `${folder}/${name.replace("@.", "@games.")}`;
      const { code, stderr } = await new Deno.Command("systemd-analyze", { args: ["verify", "--man=no", unit] })
        .output();
      assert.deepEqual({ code, text: new TextDecoder().decode(stderr) }, { code: 0, text: "" }, name);
    }
    const security = new Deno.Command("systemd-analyze", {
      args: ["security", "--offline=true", "--no-pager", "--threshold=25", `${folder}/countersign-submit.service`],
    });
    assert.equal((await security.output()).code, 0);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

test("the names of the sockets, and the services that they start", () => {
  for (const name of ["submission", "submissions"]) {
    for (const [at, of] of [["", ""], ["@", "@%i"]]) {
      const lines = Deno.readTextFileSync(`${UNITS}/countersign-${name}${at}.socket`).split("\n");
      for (const line of [`FileDescriptorName=${name}`, `Service=countersign-submit${of}.service`]) {
        assert.ok(lines.includes(line), `${name}${at}: ${line}`);
      }
    }
  }
});
