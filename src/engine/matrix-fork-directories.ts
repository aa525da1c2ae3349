/** Where machines lie while they are copied (`matrix-fork.ts`): a port, so that the engine knows no file systems. */

export interface ForkDirectories {
  /**
   * A new one, empty and this user's alone: what is saved there holds secrets. Swept up when this process is killed. Throws what the file
   * system does.
   */
  make(expectedBytes: number): Promise<ForkDirectory>;
}

/** Disposing removes it; twice is safe. */
export interface ForkDirectory extends AsyncDisposable {
  readonly path: string;
}
