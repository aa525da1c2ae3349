import { userInfo } from "node:os";

/** Of whose process this is; the number where nobody has named it, as in a container that is run as any user. */
export function ownUserName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "user");
  }
}
