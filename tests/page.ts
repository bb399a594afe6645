/** A page of documentation, and the blocks of code in it. */
import assert from "node:assert/strict";
import { ROOT } from "./rig.ts";

/** A Markdown file of the repository. */
export class Page {
  readonly text: string;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
    this.text = Deno.readTextFileSync(`${ROOT}/${name}`);
  }

  /** Returns the fenced blocks in a language (by default in any), in their order, without their indentation. */
  blocks(language = "\\w*"): string[] {
    const found = this.text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^\\1\`\`\`$`, "gm"));
    return [...found].map(([, indent, text]) => text!.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
  }

  /** Returns the only block that matches. */
  block(pattern: RegExp): string {
    const found = this.blocks().filter((text) => pattern.test(text));
    assert.equal(found.length, 1, `${found.length} blocks of ${this.name} with ${pattern}`);
    return found[0]!;
  }

  /** Returns the code in a sentence, which follows these words of it, however the lines are broken. */
  code(words: string): string {
    const at = this.#prose.indexOf(`${words} \``);
    assert.ok(at >= 0, `${this.name}: ${words}`);
    return this.#prose.slice(at + words.length + 2).split("`")[0]!;
  }

  /** Returns the lines of the SMTP session that the page pipes into nc. */
  session(): string[] {
    const [, text] = /^printf '([^']*)' \| nc /m.exec(this.block(/\| nc /))!;
    return text!.split("\\r\\n").slice(0, -1);
  }

  /** Returns the replies that match this code of a sentence, in which an ellipsis stands for any text. */
  reply(words: string): RegExp {
    const parts = this.code(words).split("…").map((part) => part.replaceAll(/[().*+?^$[\]{}|\\]/g, "\\$&"));
    return new RegExp(`^${parts.join(".*")}`);
  }

  /** The text with every line break as a space. */
  get #prose(): string {
    return this.text.replaceAll(/\s+/g, " ");
  }
}
