/** Reads the one line of an `.npmrc` that concerns us. Source: docs.npmjs.com, "npmrc": ini lines, `${NAME}` from the environment. */

/** Undefined when the text sets no registry. An unknown `${NAME}` stays as it is, as npm leaves it. */
export function registryFromNpmrc(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  let registry: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    // `@scope:registry=` is another setting; a section ends what belongs to npm itself.
    if (/^\s*\[/.test(line)) break;
    const value = /^\s*registry\s*=\s*(.*?)\s*$/.exec(line)?.[1]?.replace(/^(["'])(.*)\1$/, "$2");
    if (value !== undefined && value !== "") registry = value;
  }
  return registry?.replaceAll(/\$\{([^}]+)\}/g, (whole, name: string) => environment[name] ?? whole);
}
