/** A token as it is, and as git sends it: both are hidden from when it is made, and forgotten with its job. */
export function tokenForms(token: string): readonly string[] {
  return [token, Buffer.from(`x-access-token:${token}`).toString("base64")];
}
