/**
 * The order of posts: the reverse of their registration (ACTIONS-CONTRACT §3.4; GitHub's runner keeps them on a stack). As
 * every `pre` runs before every `main`, it follows from the posts themselves, whenever a step in the background came to
 * register its own. Those with nothing to do are left out.
 */
import type { Post } from "./job-state.ts";

/** Of the job's steps. */
export function inTurn(posts: readonly Post[]): readonly Post[] {
  return inTurnOfSteps(posts).toSorted((one, other) => rank(other) - rank(one));
}

/** Within the block of a composite action, where only the place of the step counts. */
export function inTurnOfSteps(posts: readonly Post[]): readonly Post[] {
  return posts.filter(hasWork).toSorted((one, other) => other.step.number - one.step.number);
}

function rank({ registeredIn }: Post): number {
  return registeredIn === "pre" ? 0 : 1;
}

function hasWork(post: Post): boolean {
  return post.kind === "javascript" || post.posts.some(hasWork);
}
