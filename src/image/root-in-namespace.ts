/**
 * How an ordinary user works on a tree that has many owners: as root of a user namespace in which the user's subordinate ids
 * (/etc/subuid, package uidmap) are mapped from 1 upward. The same mapping every time, so that a tree unpacked in one
 * namespace has the right owners in the next. Root needs none.
 */

/** Put before an argument vector. */
export function rootPrefix(uid: number): readonly string[] {
  return uid === 0 ? [] : ["unshare", "--map-root-user", "--map-auto", "--"];
}

export function ownUid(): number {
  const uid = process.getuid?.();
  if (uid === undefined) throw new Error("This platform has no user ids; guest images are made on Linux");
  return uid;
}
