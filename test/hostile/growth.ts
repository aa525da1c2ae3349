/** How the time of something grows with its input: what is linear takes twice as long for twice as much, whatever the machine. */

const ROUNDS = 5;
const ATTEMPTS = 4;

/** Two for what is linear, four for what is quadratic; in between lies what a busy machine adds. */
export const LINEAR = 3;

/**
 * Time for `2 * size` beside the time for `size`: the fastest of some rounds each, taken in turns, so that a busy machine hits
 * both. What still looks worse than linear is measured again: noise goes away, growth stays.
 */
export function growthOf(size: number, work: (size: number) => void): number {
  let growth = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS && growth >= LINEAR; attempt += 1) {
    growth = Math.min(growth, measureGrowth(size, work));
  }
  return growth;
}

function measureGrowth(size: number, work: (size: number) => void): number {
  let small = Number.POSITIVE_INFINITY;
  let large = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    small = Math.min(
      small,
      timeMs(() => work(size)),
    );
    large = Math.min(
      large,
      timeMs(() => work(2 * size)),
    );
  }
  return large / small;
}

export function timeMs(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

/** The fastest of three: what something takes when nobody is in its way. */
export function fastestMs(work: () => void): number {
  return Math.min(timeMs(work), timeMs(work), timeMs(work));
}
