/**
 * The table of keys as a commented TOML file: `config.toml` at the project's root, and `xerj --print-config`.
 *
 * @module
 */
import { describeRange, type Key, tomlName, tomlSection } from "./keys.ts";
import { REPOSITORY_KEYS } from "./repositories.ts";
import { SECTIONS } from "./sections.ts";

const WIDTH = 110;

const INTRODUCTION = `Every key of xerj, at its default. MB means MiB.

Looked for in this order: --config FILE, $XERJ_CONFIG, /etc/xerj/xerj.toml, ./xerj.toml; without a file all is as \
here. Unknown keys and values out of range are errors. SIGHUP reads the file again; keys that need a restart say so.`;

/** Ends with a newline. */
export function renderDefaults(): string {
  const blocks = [comment(INTRODUCTION)];
  for (const [section, keys] of Object.entries(SECTIONS)) {
    const lines = Object.entries(keys).map(([property, key]) => renderKey(tomlName(property), key));
    blocks.push(`[${tomlSection(section)}]\n\n${lines.join("\n\n")}`);
  }
  return `${[...blocks, renderRepository()].join("\n\n")}\n`;
}

const REPOSITORIES =
  `Any number of named backup repositories, each with these keys, here as comments since there is none by default. \
The name is 1 to 64 of a-z, 0-9, '_', '-'.`;

function renderRepository(): string {
  const keys = Object.entries(REPOSITORY_KEYS).map(([property, key]) => {
    const name = tomlName(property);
    return `${comment(`${key.effect}\nDefault ${JSON.stringify(key.default)}, ${describeRange(key)}.`)}\n` +
      `# ${name} = ${JSON.stringify(key.default)}`;
  });
  return `${comment(REPOSITORIES)}\n\n# [backup.repositories.main]\n\n${keys.join("\n\n")}`;
}

function renderKey(name: string, key: Key): string {
  const restart = key.reload === "restart" ? " Needs a restart." : "";
  const facts = `Default ${JSON.stringify(key.default)}, ${describeRange(key)}.${restart}`;
  return `${comment(`${key.effect}\n${facts}`)}\n${name} = ${JSON.stringify(key.default)}`;
}

/** Paragraphs at newlines, wrapped, each line behind "# ". */
function comment(text: string): string {
  return text.split("\n").flatMap(wrap).map((line) => line === "" ? "#" : `# ${line}`).join("\n");
}

function wrap(paragraph: string): string[] {
  const lines = [""];
  for (const word of paragraph.split(" ")) {
    const last = lines[lines.length - 1]!;
    if (last === "") lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length + 2 <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
