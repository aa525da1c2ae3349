/** Closes a switch over a union: the compiler refuses a call that can happen; a call that happens all the same is our bug. */
export function unreachable(value: never): never {
  throw new Error(`Unreachable: ${JSON.stringify(value)}`);
}
