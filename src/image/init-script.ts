/**
 * The first program of a virtual machine: loads the drivers, puts the root file system together and hands over to the agent.
 * Read by busybox's shell in the initial file system that `initrd.ts` makes. Whatever fails ends the script and with it the
 * machine: the kernel panics when its first process ends, and the host has the last lines of the console.
 *
 * Under emulation starting a process costs 10 to 20 ms, so one `mount -a` stands for many mounts and the shell does what it can
 * itself. What is a machine's own comes as files of the second archive, never as text inside commands.
 */
import { INPUT_DEVICE } from "../protocol/input-device.ts";

export const INIT_SCRIPT = `#!/bin/busybox sh
set -e
trap 'echo "hearth: the machine could not start"' EXIT
export PATH=/bin

mount -a -T /etc/fstab
mkdir /dev/pts /dev/shm
# What the kernel does not know on its command line it hands on as environment: hearth_bus is pci or mmio.
while read -r module; do insmod "/modules/$module.ko"; done < "/modules/order.$hearth_bus"

names="$hearth_disks"
for disk in /sys/block/vd*; do
  if [ -n "$hearth_disks" ]; then
    # Firecracker shows the guest no names of ours: the disks stand in the order in which they were attached.
    serial="\${names%%,*}"
    names="\${names#*,}"
  else
    # The file does not end its line, which read calls a failure.
    read -r serial < "$disk/serial" || true
  fi
  device="/dev/\${disk##*/}"
  case "$serial" in
    root) root="$device" ;;
    externals) externals="$device" ;;
    scratch) scratch="$device" ;;
    input) mkdir -p /dev/disk/by-id; ln -s "$device" ${INPUT_DEVICE} ;;
    tools) tools="$device" ;;
  esac
done

# What is written goes to a disk of the machine's own, or into its memory where it was given none. Its tables are zero as it is
# sparse: the kernel would write 300 MB to make them so.
if [ -n "$scratch" ]; then upper="$scratch /upper ext4 noatime,noinit_itable 0 0"; else upper="upper /upper tmpfs size=90% 0 0"; fi
echo "$root /lower squashfs ro 0 0
$upper" > /etc/fstab.disks
if [ -n "$tools" ]; then echo "$tools /tools squashfs ro 0 0" >> /etc/fstab.disks; fi
mount -a -T /etc/fstab.disks
mkdir /upper/files /upper/work
echo "overlay /new overlay lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work 0 0
$externals /new/opt/externals squashfs ro 0 0
dev /new/dev devtmpfs nosuid 0 0
pts /new/dev/pts devpts nosuid,noexec,gid=5,mode=620,ptmxmode=666 0 0
shm /new/dev/shm tmpfs nosuid,nodev 0 0
proc /new/proc proc nosuid,nodev,noexec 0 0
sys /new/sys sysfs nosuid,nodev,noexec 0 0
cgroup /new/sys/fs/cgroup cgroup2 nosuid,nodev,noexec 0 0
run /new/run tmpfs nosuid,nodev,mode=755 0 0" > /etc/fstab.root
if [ -n "$tools" ]; then
  # The layer above the tools is what its directory is: anybody's.
  mkdir -m 777 /upper/tools
  mkdir /upper/tools-work
  echo "tools /new/opt/hostedtoolcache overlay lowerdir=/tools,upperdir=/upper/tools,workdir=/upper/tools-work 0 0" >> /etc/fstab.root
fi
mount -a -T /etc/fstab.root

ip link set lo up
# The services' address; the agent would add it where it is missing, at ten times the cost.
ip address add 10.77.0.1/32 dev lo
read -r hostname < /new/etc/hostname
echo "$hostname" > /proc/sys/kernel/hostname
# 1001 is the runner in every image.
while read -r directory; do
  mkdir -p "/new$directory"
  chown 1001:1001 "/new$directory"
done < /machine/directories
mkdir -p /new/opt/hearth
cp /machine/agent.mjs /new/opt/hearth/agent.mjs
if [ -e /machine/authorities.pem ]; then
  mkdir -p /new/usr/local/share/ca-certificates /new/etc/ssl/certs
  cp /machine/authorities.pem /new/usr/local/share/ca-certificates/hearth.crt
  cat /machine/authorities.pem >> /new/etc/ssl/certs/ca-certificates.crt
fi

if [ "$hearth_channel" = vsock ]; then
  mkdir -p -m 700 /new/run/hearth
  cp /vsock-bridge.py /new/opt/hearth/vsock-bridge.py
  if [ ! -x /new/usr/bin/python3 ]; then echo "hearth: the image has no python3, which vsock needs"; exit 1; fi
  sockets="HEARTH_AGENT_SOCKET=/run/hearth/agent HEARTH_EGRESS_SOCKET=/run/hearth/egress"
fi

set -- /usr/bin/tini -- /opt/externals/node24/bin/node /opt/hearth/agent.mjs
# The new root's own shell starts what runs beside the agent: the files of this one are removed at any moment from now.
if [ "$hearth_channel" = vsock ]; then
  set -- /bin/sh -c '/usr/bin/python3 -I /opt/hearth/vsock-bridge.py & exec "$@"' sh "$@"
fi
# What a copy of this machine needs first waits here already when the machine is saved.
if [ -n "$hearth_template" ]; then
  if [ ! -x /new/usr/bin/perl ]; then echo "hearth: no template, as the image has no perl"; fi
  cp /fix-up.pl /new/opt/hearth/fix-up.pl
  for port in /sys/class/virtio-ports/*; do
    read -r name < "$port/name"
    if [ "$name" = fixup ]; then
      set -- /bin/sh -c '/usr/bin/perl /opt/hearth/fix-up.pl 0<> "$0" 1>&0 & exec "$@"' "/dev/\${port##*/}" "$@"
    fi
  done
fi

# Each of the agent's two ports keeps a thread of libuv's pool in a blocking read.
exec env -i $sockets HOME=/root LANG=C.UTF-8 UV_THREADPOOL_SIZE=8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  /bin/busybox switch_root /new "$@"
`;
