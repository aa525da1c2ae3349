/** Every program of a built-in ends so: what it throws fails its step in its own words, and nothing keeps Node alive after it. */
import { setFailed } from "@actions/core";

// What a dependency still uses that Node would rather not have is nobody's business who reads a job's log.
process.noDeprecation = true;

export async function failWith(work: () => Promise<void>, prefix = ""): Promise<void> {
  // What stands further down in the program's file is there then.
  await Promise.resolve();
  try {
    await work();
  } catch (error) {
    setFailed(`${prefix}${error instanceof Error ? error.message : String(error)}`);
  }
  // The services' connections are kept open for further requests, and none come.
  process.exit();
}
