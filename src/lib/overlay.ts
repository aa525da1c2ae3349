/** One value for a name, whatever its case: those of `over` hide those of `base`. Order and spelling are kept. */
export function overlay(
  base: { readonly [name: string]: string },
  over: { readonly [name: string]: string } = {},
): { readonly [name: string]: string } {
  const hidden = new Set(Object.keys(over).map((name) => name.toLowerCase()));
  const kept = Object.entries(base).filter(([name]) => !hidden.has(name.toLowerCase()));
  return Object.fromEntries([...kept, ...Object.entries(over)]);
}
