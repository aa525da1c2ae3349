/**
 * Processes that end with this one, however that ends. The kernel ends a child that has asked for it (prctl(2), PR_SET_PDEATHSIG);
 * one whose parent was killed before it could ask finds that it has another parent, and goes no further.
 */

/** Before an argument vector that this process spawns. `options`: what else setpriv(1) is to do. */
export function tiedPrefix(options: readonly string[] = []): readonly string[] {
  return prefix('exec "$@"', options);
}

/** As `tiedPrefix`, before `unshare --pid --fork --kill-child`; what that starts is to begin with `ifUnshareLives`. */
export function tiedNamespacePrefix(options: readonly string[] = []): readonly string[] {
  return prefix('exec 3</proc/$$/stat; exec "$@"', options);
}

/**
 * The beginning of a shell's script: in the namespace parents have no number, but the file that was opened above cannot be read
 * when its process is gone. It stays open as descriptor 3.
 */
export const ifUnshareLives = 'read -r own <&3 || exit 125; case $own in *") Z "*) exit 125 ;; esac; ';

function prefix(then: string, options: readonly string[]): readonly string[] {
  const script = `[ "$PPID" = "$0" ] || exit 125; ${then}`;
  return ["setpriv", "--pdeathsig=KILL", ...options, "--", "/bin/sh", "-c", script, String(process.pid)];
}
