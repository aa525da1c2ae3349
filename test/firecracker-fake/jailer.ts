/**
 * A jailer that is none: takes the command line of the real one and refuses what it would refuse, copies the program into the
 * machine's directory, gives it the account, and becomes it there. It does not change the root, which would leave the fake
 * without Node; the directory it starts in is what the real one would make the root.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, chownSync, copyFileSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import type { FakeKnobs } from "./knobs.ts";

const knobs: FakeKnobs = JSON.parse(process.env["FAKE_FIRECRACKER"] ?? "{}");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    version: { type: "boolean" },
    id: { type: "string" },
    "exec-file": { type: "string" },
    uid: { type: "string" },
    gid: { type: "string" },
    "chroot-base-dir": { type: "string" },
    "cgroup-version": { type: "string" },
    "parent-cgroup": { type: "string" },
    cgroup: { type: "string", multiple: true },
    "resource-limit": { type: "string", multiple: true },
  },
});
if (values.version === true) {
  process.stdout.write(`Jailer v${knobs.version}\n`);
  process.exit(0);
}
const { id = "", "exec-file": program = "", uid = "", gid = "", "chroot-base-dir": base = "" } = values;
if (!/^[A-Za-z0-9-]{1,64}$/.test(id)) refuse(`Invalid instance ID: ${id}`);
if (!basename(program).includes("firecracker")) refuse(`Invalid filename: ${program}`);
if (!/^\d+$/.test(uid) || !/^\d+$/.test(gid)) refuse("uid and gid are numbers");
for (const limit of values["resource-limit"] ?? []) {
  if (!/^(fsize|no-file)=\d+$/.test(limit)) refuse(`Invalid resource limit: ${limit}`);
}
for (const setting of values.cgroup ?? []) {
  if (!/^[a-z.]+=.+$/.test(setting)) refuse(`Invalid format for cgroups: ${setting}`);
}
const root = join(base, basename(program), id, "root");
mkdirSync(root, { recursive: true });
const copy = join(root, basename(program));
copyFileSync(program, copy);
chmodSync(copy, 0o755);
chownSync(root, Number(uid), Number(gid));
if (knobs.log !== undefined) appendFileSync(knobs.log, `${JSON.stringify({ jailer: process.argv.slice(2) })}\n`);

process.chdir(root);
const account = knobs.changesUser === true ? ["--reuid", uid, "--regid", gid, "--clear-groups"] : [];
// No environment, as the real one cleans it.
const { status, signal } = spawnSync(
  "/usr/bin/setpriv",
  [
    ...account,
    "--",
    `./${basename(program)}`,
    "--id",
    id,
    "--start-time-us",
    "1",
    "--start-time-cpu-us",
    "1",
    ...positionals,
  ],
  { stdio: "inherit", env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } },
);
if (signal !== null) process.kill(process.pid, signal);
process.exit(status ?? 1);

function refuse(words: string): never {
  process.stderr.write(`Jailer error: ${words}\n`);
  process.exit(1);
}
