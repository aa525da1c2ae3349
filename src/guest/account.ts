/** Who steps run as inside a machine, and the environment they start from. Pure: text of /etc/passwd and /etc/environment in. */

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Debian's own default for users (`/etc/login.defs`), with the system directories that GitHub's runners also have. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The account of that name in the text of /etc/passwd. */
export function findAccount(passwd: string, name: string): Account | undefined {
  for (const line of passwd.split("\n")) {
    const [user, , uid, gid, , home] = line.split(":");
    if (user !== name || uid === undefined || gid === undefined || home === undefined) continue;
    if (/^\d+$/.test(uid) && /^\d+$/.test(gid)) return { name, uid: Number(uid), gid: Number(gid), home };
  }
  return undefined;
}

/** What a login of that account would start with: pam_env's reading of /etc/environment, then the account's own names. */
export function accountEnvironment(account: Account, etcEnvironment: string): Record<string, string> {
  const env: Record<string, string> = { PATH: DEFAULT_PATH, LANG: "C.UTF-8" };
  for (const line of etcEnvironment.split("\n")) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*?)\s*$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) env[match[1]] = match[2].replace(/^(["'])(.*)\1$/, "$2");
  }
  return { ...env, HOME: account.home, USER: account.name, LOGNAME: account.name };
}

/** This process's own environment for steps on the host itself: everything but what addresses Hearth. */
export function hostEnvironment(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && !name.startsWith("HEARTH_")) env[name] = value;
  }
  return env;
}
