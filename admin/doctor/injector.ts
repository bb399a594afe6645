/** Checks the program that sends the mail, and whether its own configuration replaces the sender. */
import type { Settings } from "../../lib/settings/parse.ts";
import { argumentsFor } from "../../lib/settings/presets.ts";
import { type Finding, findingsOf, type Programs, type TextFile } from "./finding.ts";

/** Checks that the programs in the settings exist, are executable, and are not the shim itself. */
export function checkPrograms({ file, text }: TextFile, settings: Settings, programs: Programs): Finding[] {
  const { list, add } = findingsOf(file);
  const line = (table: string, name: string) => {
    const lines = text.split("\n");
    const own = lines.findIndex((one) => new RegExp(`^\\s*(?:${table}\\.)?${name}\\s*=`).test(one));
    const head = own >= 0 ? own : lines.findIndex((one) => new RegExp(`^\\s*\\[${table}\\]`).test(one));
    return head < 0 ? 1 : head + 1;
  };
  const check = (setting: string, table: string, name: string, program: string, harm: string) => {
    const wrong = programs.trouble(program);
    if (wrong !== undefined) {
      add(
        "program-unusable",
        `${setting}: ${program} ${wrong}`,
        line(table, name),
        harm,
        `${setting} = ["/path/of/the/program"]`,
      );
    } else if (programs.isShim(program)) {
      const why = "It would call itself for every message; it detects the loop, and nothing is sent.";
      add(
        "program-is-shim",
        `${setting}: ${program} is the shim itself`,
        line(table, name),
        why,
        `Name the real program in ${setting}`,
      );
    }
  };
  const { transport, incoming } = settings;
  const program = injector(settings);
  if (program !== undefined) {
    check("transport.command", "transport", "command", program, "Nothing can be sent.");
    const preset = programs.preset?.(program);
    if (preset !== undefined && preset !== transport.preset) {
      add(
        "program-preset",
        `${program} is ${preset}, and transport.preset is "${transport.preset}"`,
        line("transport", "preset"),
        "Its options or exit statuses differ. For example, msmtp exits 68 without a network, which usually means that " +
          "the message can never be sent.",
        `transport.preset = "${preset}"`,
      );
    }
  }
  if (transport.real[0] !== undefined) {
    check("transport.real", "transport", "real", transport.real[0], "mailq and sendmail -bs end with an error.");
  }
  const [spam] = incoming.spam_command;
  if (spam !== undefined) {
    check("incoming.spam_command", "incoming", "spam_command", spam, "Forged mail stays queued.");
  }
  return list;
}

/** Returns the program that sends a message; undefined if none is run. */
export function injector({ transport }: Settings): string | undefined {
  if (transport.via !== "command") return undefined;
  return argumentsFor(transport.preset, transport.command, { sender: undefined, recipients: [], dsn: {} })[0];
}

/**
 * Returns a command line with which the program reads its configuration and sends nothing; undefined if it has none.
 */
export function versionCommand({ transport }: Settings): readonly string[] | undefined {
  const [program, ...first] = transport.command;
  const words = { exim: ["-bV"], msmtp: ["--version"] }[transport.preset];
  const found = injector({ transport } as Settings);
  if (words === undefined || found === undefined) return undefined;
  return [program ?? found, ...first, ...words];
}

/** Reports a nonzero exit status of that command. */
export function checkVersionCommand(file: string, argv: readonly string[], code: number, said: string): Finding[] {
  if (code === 0) return [];
  return [{
    id: "program-configuration",
    what: `${argv.join(" ")} exits ${code}${said === "" ? "" : `: ${said}`}`,
    where: { file },
    why: "It cannot read its own configuration, and will not accept mail.",
    fix: `Run ${argv.join(" ")} and fix the reported error`,
  }];
}

/** Files in which programs are configured to replace the sender. */
export const INJECTOR_FILES: Record<string, readonly string[]> = {
  dma: ["/etc/dma/dma.conf"],
  nullmailer: ["/etc/nullmailer/allmailfrom"],
};

/** Reports configuration of dma and nullmailer that replaces every sender. */
export function checkInjectorFile(preset: string, { file, text }: TextFile): Finding[] {
  const { list, add } = findingsOf(file);
  const why = "It replaces every signed sender: bounces return to an unsigned address, or not at all.";
  for (const [index, line] of text.split("\n").entries()) {
    const address = /^\s*MASQUERADE\s+(\S+@\S+)/.exec(line)?.[1];
    if (preset === "dma" && address !== undefined && !address.endsWith("@")) {
      add(
        "dma-masquerade",
        `dma sends everything as ${address}`,
        index + 1,
        why,
        "Remove the line, or keep only the domain in it",
      );
    }
    if (preset === "nullmailer" && line.trim() !== "") {
      add("nullmailer-allmailfrom", `nullmailer sends everything as ${line.trim()}`, index + 1, why, `rm ${file}`);
      break;
    }
  }
  return list;
}
