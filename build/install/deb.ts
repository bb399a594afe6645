/**
 * Builds a Debian package from what installing makes. Debian has no package of Deno to depend on, and a copy would make
 * this one 50 times as large and bind it to an architecture: the programs look for Deno when they start.
 */
import { readArguments } from "../../admin/arguments.ts";
import { Fail, reason } from "../../lib/fail.ts";
import { printError } from "../../io/system/log.ts";
import { VERSION } from "../../lib/version.ts";
import { ROOT } from "./bundle.ts";
import { installFiles, proveInstalled } from "./install.ts";
import { HOME } from "./installed.ts";
import { GUIDES } from "./documents.ts";

const HELP = `Usage: deno task deb [FILE]
Builds the Debian package dist/countersign_${VERSION}_all.deb, or FILE, from what deno task install makes. It needs
dpkg-deb and gzip. DEBFULLNAME and DEBEMAIL name the maintainer; SOURCE_DATE_EPOCH makes the package reproducible.

The package contains no Deno. Its programs use /usr/lib/countersign/deno, /usr/local/bin/deno, /usr/bin/deno, or deno in
PATH.`;

const DESCRIPTION = `sign the mail you send, and recognize forged bounces
 Countersign gives each message that you send an envelope sender (SRS or prvs)
 and a header field that only you could have made. A bounce that returns
 either of them is delivered; forged bounces are filed as spam or rejected.
 It works with mutt and other programs that call sendmail, and with Postfix,
 Exim, qmail, Sendmail and OpenSMTPD.
 .
 This package requires Deno ${Deno.version.deno} or later, which is not in Debian and has to
 be installed separately: as /usr/local/bin/deno, /usr/bin/deno, or with a
 link /usr/lib/countersign/deno. Without it, the programs defer all mail.
`;

/** Builds the package. @throws {Error} with the output of a program that fails */
async function makeDeb(product: string, environment: Record<string, string>): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "countersign-deb-" });
  try {
    Deno.chmodSync(root, 0o755);
    await installFiles(`${root}/usr`, { destination: "/usr" });
    await tested(`${root}/usr`);
    Deno.removeSync(`${root}/usr/${HOME}/installed.json`); // dpkg knows the files
    Deno.mkdirSync(`${root}/usr/share/zsh/vendor-completions`);
    Deno.renameSync(
      `${root}/usr/share/zsh/site-functions/_countersign`,
      `${root}/usr/share/zsh/vendor-completions/_countersign`,
    );
    Deno.removeSync(`${root}/usr/share/zsh/site-functions`);
    const date = new Date(Number(environment["SOURCE_DATE_EPOCH"] ?? Date.now() / 1000) * 1000);
    const maintainer = maintainerOf(environment);
    const guides = `${root}/usr/${GUIDES}`;
    Deno.writeTextFileSync(`${guides}/copyright`, copyright(Deno.readTextFileSync(`${ROOT}LICENSE`)));
    Deno.removeSync(`${guides}/LICENSE`);
    Deno.writeTextFileSync(`${guides}/changelog`, changelog(maintainer, date));
    const pages = filesBelow(`${root}/usr/share/man`);
    await run("gzip", "-9n", `${guides}/changelog`, ...pages);
    const files = filesBelow(`${root}/usr`).sort();
    const sums = await run("md5sum", ...files);
    const size = files.reduce((sum, path) => sum + Math.ceil(Deno.statSync(path).size / 1024), 0);
    Deno.mkdirSync(`${root}/DEBIAN`);
    Deno.writeTextFileSync(`${root}/DEBIAN/md5sums`, sums.replaceAll(`  ${root}/`, "  "));
    Deno.writeTextFileSync(`${root}/DEBIAN/control`, control(maintainer, size));
    await run("find", root, "-type", "d", "-exec", "chmod", "755", "{}", "+");
    await run("chmod", "644", `${guides}/copyright`, `${guides}/changelog.gz`, `${root}/DEBIAN/md5sums`);
    Deno.mkdirSync(product.slice(0, product.lastIndexOf("/")), { recursive: true });
    await run("dpkg-deb", "-Zxz", "--root-owner-group", "--build", root, product);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

/** Runs the programs, with this Deno where the package would find one. */
async function tested(prefix: string): Promise<void> {
  const cache = Deno.makeTempDirSync({ prefix: "countersign-cache-" });
  const link = `${prefix}/${HOME}/deno`;
  try {
    Deno.symlinkSync(Deno.execPath(), link);
    await proveInstalled(prefix, cache);
  } finally {
    Deno.removeSync(link);
    Deno.removeSync(cache, { recursive: true });
  }
}

/** Returns the maintainer, from the variables that Debian's own tools use. */
function maintainerOf({ DEBFULLNAME, DEBEMAIL }: Record<string, string>): string {
  return `${DEBFULLNAME || "Countersign"} <${DEBEMAIL || `root@${Deno.hostname()}`}>`;
}

function control(maintainer: string, size: number): string {
  return `Package: countersign
Version: ${VERSION}
Architecture: all
Maintainer: ${maintainer}
Installed-Size: ${size}
Suggests: liblockfile-bin
Section: mail
Priority: optional
Description: ${DESCRIPTION}`;
}

function changelog(maintainer: string, date: Date): string {
  const day = `${date.toUTCString().replace(/GMT$/, "+0000")}`;
  return `countersign (${VERSION}) unstable; urgency=medium

  * Version ${VERSION}: see CHANGELOG.md.

 -- ${maintainer}  ${day}
`;
}

/** Returns the copyright file, in the format DEP-5. */
function copyright(license: string): string {
  const [, , holder = "", ...text] = license.trimEnd().split("\n");
  const lines = text.slice(1).map((line) => line === "" ? " ." : ` ${line}`);
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Countersign

Files: *
Copyright: ${holder.replace(/^Copyright \(c\) /, "")}
License: Expat

License: Expat
${lines.join("\n")}
`;
}

function filesBelow(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

/** Runs a program. @returns its output */
async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  if (!success) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) {
  try {
    if (Deno.args.includes("--help")) console.log(HELP);
    else {
      const [product = `${ROOT}dist/countersign_${VERSION}_all.deb`, over] = readArguments(Deno.args, {}).operands;
      if (over !== undefined) throw new Fail("usage", `Unknown argument ${JSON.stringify(over)}`);
      const path = product.startsWith("/") ? product : `${Deno.env.get("INIT_CWD") ?? Deno.cwd()}/${product}`;
      await makeDeb(path, Deno.env.toObject());
      console.log(path);
    }
  } catch (error) {
    printError("deb", reason(error));
    Deno.exit(error instanceof Fail && error.kind === "usage" ? 64 : 1);
  }
}
