/**
 * Keeps the direction of imports, and the system out of the library. A check of
 * the one cannot be forgotten: `deno lint` runs it over everything.
 *
 * It sees `import`, `export … from`, `import("…")` and the type `import("…")`.
 * (Deno 2.9.6 visits nothing behind an empty statement; `deno fmt` leaves none.)
 */
import config from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url).href;

/** What each folder may import besides packages. A folder or file that is not here may import anything. */
const MAY: Record<string, readonly string[]> = {
  "mod.ts": ["lib"],
  lib: ["lib"],
  transport: ["lib", "transport"],
  state: ["lib", "state"],
  shim: ["lib", "transport", "state", "shim"],
  hooks: ["lib", "transport", "state", "hooks"],
  smtp: ["lib", "transport", "state", "smtp"],
  admin: ["lib", "transport", "state", "admin"],
};

/** Loaded late, by `import("…")`: these may have Node's modules, which would double the start of all others. */
const LATE = ["io/transport/smtp/md5.ts", "io/system/tail.ts"];

/** The one file of lib that may touch `Deno`. */
const HOST = "io/system/host.ts";

/** Names that deno.json gives to npm packages; an alias for a folder of ours would be a way around. */
const PACKAGES = Object.entries(config.imports).filter(([, to]) => to.startsWith("npm:")).map(([name]) => name);

/** The path of a URL below the checkout; undefined outside of it. */
function below(url: URL): string | undefined {
  return url.href.startsWith(ROOT) ? decodeURIComponent(url.href.slice(ROOT.length)) : undefined;
}

/** `lib` for `lib/srs.ts`, `mod.ts` for itself. */
const room = (path: string): string => path.split("/")[0]!;

/** What is wrong with this import; undefined: nothing. */
function wrong(file: URL, specifier: string): string | undefined {
  const from = room(below(file) ?? "");
  const may = Object.hasOwn(MAY, from) ? MAY[from]! : undefined;
  if (may === undefined) return undefined;
  const local = /^(?:\.{0,2}\/|file:)/.test(specifier);
  if (!local) {
    const known = specifier.startsWith("npm:") ||
      (specifier.startsWith("node:") && LATE.includes(below(file) ?? "")) ||
      PACKAGES.some((name) => specifier === name || specifier.startsWith(`${name}/`));
    return known ? undefined : `${from} imports ${specifier}, which is no npm package of deno.json`;
  }
  const path = below(new URL(specifier, file));
  if (path !== undefined && may.includes(room(path))) return undefined;
  return `${from} imports ${path ?? specifier}: it may import only ${may.join(", ")}`;
}

/** The text of a string, or of a template without holes. */
function constant(node: Deno.lint.Node): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type === "TSLiteralType") return constant(node.literal);
  if (node.type === "TemplateLiteral" && node.quasis.length === 1) return node.quasis[0]!.cooked;
  return undefined;
}

const direction: Deno.lint.Rule = {
  create(context) {
    const file = new URL(context.filename, ROOT);
    const check = (node: Deno.lint.Node, source: Deno.lint.Node | null) => {
      if (source === null) return;
      const specifier = constant(source);
      const message = specifier === undefined ? computed(file) : wrong(file, specifier);
      if (message !== undefined) context.report({ node, message });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source),
      TSImportType: (node) => check(node, node.argument),
      // `import a = require("…")` and `import a = Deno.env`: nobody needs it here.
      TSImportEqualsDeclaration: (node) => check(node, node),
    };
  },
};

/** A name that is made at run time could be any. */
function computed(file: URL): string | undefined {
  const from = room(below(file) ?? "");
  return Object.hasOwn(MAY, from) ? `${from} imports what cannot be checked: write the name as a string` : undefined;
}

const host: Deno.lint.Rule = {
  create(context) {
    const path = below(new URL(context.filename, ROOT)) ?? "";
    if (room(path) !== "lib" || path === HOST) return {};
    const message = `Only ${HOST} touches Deno: take what you need as an argument`;
    return {
      Identifier(node) {
        if (node.name !== "Deno") return;
        const type = ["TSQualifiedName", "TSTypeReference", "TSTypeQuery"].includes(node.parent.type);
        if (!type) context.report({ node, message });
      },
      "MemberExpression > Literal"(node) {
        if (constant(node) === "Deno") context.report({ node, message });
      },
    };
  },
};

/** The plugin that deno.json names. */
const plugin: Deno.lint.Plugin = { name: "house", rules: { direction, host } };
export default plugin;
