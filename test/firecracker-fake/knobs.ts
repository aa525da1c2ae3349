/** How the fake Firecracker and its jailer behave; written into the programs that tests register. */
export interface FakeKnobs {
  readonly version: string;
  /** `qemu`: a real guest, emulated. `none`: a guest that only greets. `silent`: one that never does. */
  readonly guest: "qemu" | "none" | "silent";
  /** The probe's tiny guest is not booted: what it would say is said at once. */
  readonly answersProbe?: boolean;
  /** Answers by `PUT /vsock`: Firecracker's words, with 400. */
  readonly refuse?: Readonly<Record<string, string>>;
  /** Answered with 500 and no words. */
  readonly breakDown?: readonly string[];
  /** Never answered. */
  readonly hang?: readonly string[];
  /** Ends so long after the guest's start, as if killed. */
  readonly dieAfterStartMs?: number;
  /** Ends before it listens, with this on its standard error. */
  readonly dieAtOnce?: string;
  /** Gets a line of JSON for each request: method, path, body, status. */
  readonly log?: string;
  /** The jailer really changes the user. */
  readonly changesUser?: boolean;
}
