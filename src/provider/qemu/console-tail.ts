/**
 * What a machine's console printed last: 4 KiB, whatever the guest prints. The guest decides every byte, so control characters,
 * which a terminal would obey, are taken out when it is read.
 */

const MAX_CHARACTERS = 4096;

interface Watch {
  readonly pattern: RegExp;
  readonly resolve: (found: string) => void;
}

export class ConsoleTail {
  #tail = "";
  #watches: Watch[] = [];

  write(chunk: Buffer): void {
    const text = this.#tail + chunk.toString("latin1");
    this.#watches = this.#watches.filter((watch) => !tell(watch, text));
    this.#tail = text.slice(-MAX_CHARACTERS);
  }

  text(): string {
    return printable(this.#tail).trim();
  }

  /** Resolves with the pattern's first group, or all it matched, once the console has printed it; may never resolve. */
  async said(pattern: RegExp): Promise<string> {
    return await new Promise((resolve) => {
      const watch = { pattern, resolve };
      if (!tell(watch, this.#tail)) this.#watches.push(watch);
    });
  }
}

function tell({ pattern, resolve }: Watch, text: string): boolean {
  const match = pattern.exec(text);
  if (match !== null) resolve(printable(match[1] ?? match[0]));
  return match !== null;
}

function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return text.replaceAll("\r\n", "\n").replaceAll(/[^\n\t\x20-\x7e]/g, "");
}
