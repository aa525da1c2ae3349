/** Whether a job may not set this environment variable for later steps: GitHub's runner refuses `NODE_OPTIONS`, in any case. */
export function isBlockedVariable(name: string): boolean {
  return name.toUpperCase() === "NODE_OPTIONS";
}
