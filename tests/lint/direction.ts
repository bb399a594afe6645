/**
 * Keeps the architecture: the direction of imports, no cycles, pure code
 * below io, and small files. `deno lint` runs it over every file, so no check can be forgotten.
 *
 * It sees `import`, `export … from`, `import("…")` and the type `import("…")`.
 * (Deno 2.9.6 visits nothing after an empty statement; `deno fmt` leaves none.)
 */
import config from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url).href;

/**
 * The layers, from the bottom. A folder imports itself and lower layers; folders of one layer do not know each other.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["lib"],
  ["outgoing", "incoming"],
  ["io"],
  ["shim", "hooks", "serve", "submit"],
  ["admin"],
];

/** Layers whose code is pure: no system, no clock, no randomness. */
const PURE = LAYERS.slice(0, 2).flat();

/** Loaded late, by `import("…")`: these may import Node's modules, which would double the start of everything else. */
const LAZY_NODE_FILES = [
  "io/system/tail.ts",
  "io/transport/spool.ts",
  "io/transport/smtp/md5.ts",
  "serve/sockets/inherited.ts",
  "admin/doctor/submit_session.ts",
  "submit/backends/scrypt.ts",
  "submit/submitd/certificate.ts",
  "submit/submitd/listen.ts",
];

/** Names that deno.json gives to npm packages; an alias for a folder of ours would be a way around. */
const PACKAGES = Object.entries(config.imports).filter(([, to]) => to.startsWith("npm:")).map(([name]) => name);

/** The path of a URL below the checkout; undefined outside of it. */
function below(url: URL): string | undefined {
  return url.href.startsWith(ROOT) ? decodeURIComponent(url.href.slice(ROOT.length)) : undefined;
}

/** `lib` for `lib/srs.ts`, `mod.ts` for itself. */
const folderOf = (path: string): string => path.split("/")[0]!;

/** The folders that this one may import; undefined: it may import anything. */
function mayImport(folder: string): readonly string[] | undefined {
  if (folder === "mod.ts") return ["lib"];
  const layer = LAYERS.findIndex((folders) => folders.includes(folder));
  return layer < 0 ? undefined : [...LAYERS.slice(0, layer).flat(), folder];
}

/** What is wrong with this import; undefined: nothing. */
function wrong(file: URL, specifier: string): string | undefined {
  const from = folderOf(below(file) ?? "");
  const may = mayImport(from);
  if (may === undefined) return undefined;
  if (!isLocal(specifier)) {
    const known = specifier.startsWith("npm:") ||
      (specifier.startsWith("node:") && LAZY_NODE_FILES.includes(below(file) ?? "")) ||
      PACKAGES.some((name) => specifier === name || specifier.startsWith(`${name}/`));
    return known ? undefined : `${from} imports ${specifier}, which is not an npm package in deno.json`;
  }
  const path = below(new URL(specifier, file));
  if (path !== undefined && may.includes(folderOf(path))) return undefined;
  return `${from} imports ${path ?? specifier}: it may import only ${may.join(", ")}`;
}

const isLocal = (specifier: string): boolean => /^(?:\.{0,2}\/|file:)/.test(specifier);

/** The text of a string, or of a template without substitutions. */
function constant(node: Deno.lint.Node): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type === "TSLiteralType") return constant(node.literal);
  if (node.type === "TemplateLiteral" && node.quasis.length === 1) return node.quasis[0]!.cooked;
  return undefined;
}

/** Calls `check` with every import of a file, in each of its forms. */
function imports(check: (node: Deno.lint.Node, source: Deno.lint.Node | null) => void): Deno.lint.LintVisitor {
  return {
    ImportDeclaration: (node) => check(node, node.source),
    ExportAllDeclaration: (node) => check(node, node.source),
    ExportNamedDeclaration: (node) => check(node, node.source),
    ImportExpression: (node) => check(node, node.source),
    TSImportType: (node) => check(node, node.argument),
    // `import a = require("…")` and `import a = Deno.env`: nobody needs it here.
    TSImportEqualsDeclaration: (node) => check(node, node),
  };
}

const direction: Deno.lint.Rule = {
  create(context) {
    const file = new URL(context.filename, ROOT);
    return imports((node, source) => {
      if (source === null) return;
      const specifier = constant(source);
      const message = specifier === undefined ? computed(file) : wrong(file, specifier);
      if (message !== undefined) context.report({ node, message });
    });
  },
};

/** A name that is made at run time could be any. */
function computed(file: URL): string | undefined {
  const from = folderOf(below(file) ?? "");
  return mayImport(from) && `${from} imports what cannot be checked: write the name as a string`;
}

const cycle: Deno.lint.Rule = {
  create(context) {
    const file = new URL(context.filename, ROOT);
    if (below(file) === undefined) return {};
    return imports((node, source) => {
      const specifier = source && constant(source);
      if (!specifier || !isLocal(specifier)) return;
      const way = wayBack(new URL(specifier, file).href, file.href);
      if (way === undefined) return;
      const names = [file.href, ...way].map((href) => below(new URL(href)) ?? href);
      context.report({ node, message: `Imports form a cycle: ${names.join(" > ")}` });
    });
  },
};

/** The imports that lead from one module to another, both included; undefined: none do. */
function wayBack(from: string, to: string): string[] | undefined {
  const before = new Map<string, string | undefined>([[from, undefined]]);
  for (const module of before.keys()) { // grows while it is read: breadth first
    if (module === to) {
      const way: string[] = [];
      for (let at: string | undefined = module; at !== undefined; at = before.get(at)) way.unshift(at);
      return way;
    }
    for (const next of importsOf(module)) if (!before.has(next)) before.set(next, module);
  }
  return undefined;
}

const known = new Map<string, readonly string[]>();

/** The local modules that a module imports, types included; none where it cannot be read. */
function importsOf(module: string): readonly string[] {
  const found = known.get(module);
  if (found !== undefined) return found;
  let text = "";
  try {
    text = Deno.readTextFileSync(new URL(module));
  } catch {
    // A file that does not exist yet, as in the tests of this plugin.
  }
  const specifiers = [...text.matchAll(/\b(?:from|import)[ (]*(["'`])([^"'`\n]+)\1/g)].map((match) => match[2]!);
  const modules = specifiers.filter(isLocal).map((specifier) => new URL(specifier, module).href);
  known.set(module, modules);
  return modules;
}

/** What makes code depend on more than its arguments. */
const IMPURE = ["Deno", "performance", "setTimeout", "setInterval"];
/** The same, as properties of what is otherwise pure. */
const IMPURE_PROPERTIES: Record<string, readonly string[]> = {
  Date: ["now"],
  Math: ["random"],
  crypto: ["getRandomValues", "randomUUID"],
};

const pure: Deno.lint.Rule = {
  create(context) {
    const path = below(new URL(context.filename, ROOT)) ?? "";
    const folder = folderOf(path);
    if (!PURE.includes(folder)) return {};
    const report = (node: Deno.lint.Node, what: string) =>
      context.report({ node, message: `${folder} is pure, but uses ${what}: take what you need as an argument` });
    return {
      Identifier(node) {
        if (!IMPURE.includes(node.name)) return;
        const type = ["TSQualifiedName", "TSTypeReference", "TSTypeQuery"].includes(node.parent.type);
        if (!type) report(node, node.name);
      },
      MemberExpression(node) {
        const object = node.object.type === "Identifier" ? node.object.name : "";
        const property = node.property.type === "Identifier" ? node.property.name : constant(node.property) ?? "";
        if (Object.hasOwn(IMPURE_PROPERTIES, object) && IMPURE_PROPERTIES[object]!.includes(property)) {
          report(node, `${object}.${property}`);
        }
      },
      "MemberExpression > Literal"(node) {
        const text = constant(node);
        if (text !== undefined && IMPURE.includes(text)) report(node, text);
      },
      NewExpression(node) {
        if (node.callee.type === "Identifier" && node.callee.name === "Date" && node.arguments.length === 0) {
          report(node, "the clock");
        }
      },
    };
  },
};

/** Lines beyond which the first comment of a source file must say why. Tests are as long as their tables. */
const MAX_LINES = 300;
/** Columns of a comment; `deno fmt` limits code to as many. */
const MAX_COLUMNS = 120;

const size: Deno.lint.Rule = {
  create(context) {
    const path = below(new URL(context.filename, ROOT)) ?? "";
    const { text } = context.sourceCode;
    const lines = text.split("\n");
    return {
      Program(node) {
        let at = 0;
        for (const line of lines) {
          const wide = line.length > MAX_COLUMNS && /^\s*(?:\/\/|\/?\*)/.test(line);
          const message = `A comment is longer than ${MAX_COLUMNS} columns`;
          if (wide) context.report({ range: [at, at + line.length], message });
          at += line.length + 1;
        }
        const explained = /^\/\*\*.*?\*\//s.exec(text)?.[0].includes("longer than other") === true;
        if (folderOf(path) !== "tests" && lines.length > MAX_LINES + 1 && !explained) {
          context.report({ node, message: `Over ${MAX_LINES} lines: split it, or let its first comment say why` });
        }
      },
    };
  },
};

/** The plugin that deno.json names. */
const plugin: Deno.lint.Plugin = { name: "house", rules: { direction, cycle, pure, size } };
export default plugin;
