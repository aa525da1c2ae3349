/** What people call a workflow: its path below `.github/workflows`, else its path. */
export function workflowLabel(path: string): string {
  const folder = ".github/workflows/";
  return path.startsWith(folder) ? path.slice(folder.length) : path;
}
