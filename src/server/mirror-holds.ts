/**
 * Who reads from which mirror in this process, which is the only server of its state directory: what is held loses no object. Whoever
 * cleans one up has its lock and finds nobody here; whoever reads is entered here before asking for the lock.
 */
export interface MirrorHolds {
  /** Disposal, once or again, ends it. */
  hold(directory: string): Disposable;
  isHeld(directory: string): boolean;
}

export function createMirrorHolds(): MirrorHolds {
  const held = new Map<string, number>();
  return {
    hold(directory) {
      held.set(directory, (held.get(directory) ?? 0) + 1);
      let isOver = false;
      return {
        [Symbol.dispose]() {
          if (isOver) return;
          isOver = true;
          const left = (held.get(directory) ?? 1) - 1;
          if (left === 0) held.delete(directory);
          else held.set(directory, left);
        },
      };
    },
    isHeld: (directory) => held.has(directory),
  };
}
