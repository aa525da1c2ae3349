#!/bin/sh
# Starts packaging/hearth.service in a Debian 12 of its own, under systemd, as docs/server.md ("As a service") says it is installed, and
# asks of it what that page promises: signed deliveries, kill -9, stop, reboot, a wrong setting. The machine is QEMU's, emulated: no KVM
# is needed, no network is in it. Takes 5 to 10 minutes; ends with 0 when every line says ok. Nothing is left but the console's log.
#   sudo sh scripts/systemd-proof.sh            # steps run on the machine itself: HEARTH_PROVIDER=host
#   sudo sh scripts/systemd-proof.sh DATA       # in gVisor, with runsc and the image of that data directory, and hearth-gvisor.conf
# Needs root, mmdebstrap, qemu-system-x86, e2fsprogs, a Debian mirror, `npm ci`, 8 GB of free disk and 6 GB of memory.
set -eu
repository=$(cd "$(dirname "$0")/.." && pwd)
data=${1:-}
scratch=$(mktemp -d /var/tmp/hearth-systemd-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root
log=${PROOF_LOG:-/tmp/hearth-systemd-proof.log}

mmdebstrap --quiet --variant=minbase --include=systemd-sysv,udev,dbus,linux-image-cloud-amd64,initramfs-tools,git,curl,ca-certificates,openssl,procps,sudo,uidmap \
  bookworm "$root"
"$repository/node_modules/.bin/node" "$repository/scripts/build.ts" "$root/payload/dist"
cp "$repository"/packaging/hearth* "$root/payload/"
cp -L "$repository/node_modules/node/bin/node" "$root/usr/local/bin/node"
echo "127.0.0.1 localhost $(cat "$root/etc/hostname")" > "$root/etc/hosts"
if [ -n "$data" ]; then
  cp "$data/bin/runsc" "$root/payload/"
  # Device files cannot be made in a user namespace, and machines have their own.
  tar -C "$data/images" --exclude='*.sqfs' --exclude='*/rootfs/dev/*' -cf "$root/payload/images.tar" .
fi
cat > "$root/etc/systemd/system/proof.service" <<'UNIT'
[Service]
ExecStart=/bin/bash /payload/proof.sh
StandardOutput=file:/dev/ttyS1
StandardError=inherit
UNIT
ln -s ../proof.service "$root/etc/systemd/system/multi-user.target.wants/proof.service"
cat > "$root/payload/proof.sh" <<'GUEST'
export HOME=/root; cd /
check() { name=$1; shift; if "$@" >/run/out 2>&1; then echo "ok    $name"; else echo "FAIL  $name"; cat /run/out; fi; }
within() { end=$((SECONDS + $1)); shift; until "$@" 2>/dev/null; do [ $SECONDS -lt $end ] || { "$@"; return 1; }; sleep 1; done; }
as_hearth() { install -d -m 700 -o hearth -g hearth /run/hearth && (cd / && sudo -u hearth -H env $(systemctl show --property Environment --value hearth) "$@"); }
is() { [ "$(systemctl show --property "$1" --value hearth)" = "$2" ] || { systemctl status hearth --no-pager; return 1; }; }
ready() { curl -sS http://127.0.0.1:3000/readyz | grep -q '"ready"'; }
said() { [ "$(journalctl -u hearth -o cat --no-pager | grep -c "$1")" -ge "$2" ]; }
running() { as_hearth hearth runs | grep -q in_progress; }
limited() { grep -q '^[0-9]' /sys/fs/cgroup/system.slice/hearth.service/hearth/*/memory.max; }
# deliver SECONDS [SECRET]: a commit whose workflow takes so long, and GitHub's delivery of it. Prints the status of the answer.
deliver() {
  cd /root/work; echo "$1" > seconds; date +%s%N > stamp; git add -A; git commit -qm "$1"; git push -q /srv/git/octo-org/hello.git main
  secret=${2:-$(sed -n s/^GITHUB_WEBHOOK_SECRET=//p /etc/hearth/server.env)}; sha=$(git rev-parse HEAD); cd /
  printf '{"ref":"refs/heads/main","before":"%s","after":"%s","created":false,"deleted":false,"forced":false,"commits":[],"head_commit":{"id":"%s","message":"m","timestamp":"2026-01-01T00:00:00Z"},"repository":{"id":1,"name":"hello","full_name":"octo-org/hello","private":true,"default_branch":"main","owner":{"login":"octo-org","id":1,"type":"Organization"}},"pusher":{"name":"a"},"sender":{"login":"a","id":2,"type":"User"}}' "$(printf %040d 0)" "$sha" "$sha" > /run/body
  curl -sS -o /dev/null -w '%{http_code}' -H 'content-type: application/json' -H 'x-github-event: push' -H "x-github-delivery: $(cat /proc/sys/kernel/random/uuid)" \
    -H "x-hub-signature-256: sha256=$(openssl dgst -sha256 -hmac "$secret" < /run/body | sed 's/.*= //')" --data-binary @/run/body http://127.0.0.1:3000/webhook
}
answers() { got=$(deliver "$2" ${3:-}); [ "$got" = "$1" ] || { echo "answered $got"; return 1; }; }

if [ -e /payload/again ]; then
  check "it is there after the reboot" within 120 ready
  check "what was queued when the machine went down has run" within 400 said '"conclusion":"success"' 4
  systemd-analyze security hearth --no-pager | tail -1
  echo "PROOF ENDS"; systemctl poweroff; exit
fi
cp -r /payload/dist /usr/local/lib/hearth && ln -s ../lib/hearth/main.js /usr/local/bin/hearth
useradd --system --create-home --home-dir /var/lib/hearth --groups kvm hearth
mkdir /etc/hearth && hearth init server --output /etc/hearth/server.env --public-url https://ci.example.org > /dev/null
cp /payload/hearth.service /etc/systemd/system/
printf 'REPOSITORY_PATH=/srv/git\nHEARTH_DRAIN_SECONDS=120\n' >> /etc/hearth/server.env
if [ -e /payload/runsc ]; then
  usermod --add-subuids 2000000-2065535 --add-subgids 2000000-2065535 hearth
  echo HEARTH_PROVIDER=gvisor >> /etc/hearth/server.env
  systemctl daemon-reload
  as_hearth mkdir -p /var/lib/hearth/data/images
  as_hearth unshare --map-root-user --map-auto tar -C /var/lib/hearth/data/images -xpf /payload/images.tar
  check "runsc is taken" as_hearth hearth setup gvisor --binary /payload/runsc
  systemctl start hearth
  check "without the drop-in it says what is missing" within 60 said 'without NoNewPrivileges' 1
  mkdir /etc/systemd/system/hearth.service.d
  cp /payload/hearth-gvisor.conf /etc/systemd/system/hearth.service.d/gvisor.conf
else
  echo HEARTH_PROVIDER=host >> /etc/hearth/server.env
fi
git config --global user.email a@example.org; git config --global user.name a
git init -q --bare -b main /srv/git/octo-org/hello.git; git init -q -b main /root/work; mkdir -p /root/work/.github/workflows
printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: id; sleep $(cat seconds)\n' > /root/work/.github/workflows/ci.yml
deliver 0 > /dev/null 2>&1
systemctl daemon-reload; systemctl stop hearth
check "systemd understands the unit" sh -c '! systemd-analyze verify hearth.service 2>&1 | grep hearth'
check "enabled and started" systemctl enable --now hearth
check "it is ready" within 120 ready
check "it runs as hearth" sh -c '[ "$(ps -o user= -p "$(systemctl show -p MainPID --value hearth)")" = hearth ]'
check "doctor --server" as_hearth hearth doctor --server
check "a delivery with another secret is 401" answers 401 1 aaaaaaaaaaaaaaaaaaaaaaaa
check "a signed delivery is 202" answers 202 1
check "its run is a success" within 400 said '"conclusion":"success"' 1
check "one that takes 20 s is 202" answers 202 20
check "it runs" within 200 running
[ ! -e /payload/runsc ] || check "its machine has a limit of memory" within 100 limited
kill -9 "$(systemctl show -p MainPID --value hearth)"
check "killed, it is started again" within 120 said 'run recovered' 1
check "and runs what ran as another attempt" within 400 said '"conclusion":"success"' 2
check "one for the stop is 202" answers 202 10
check "it runs" within 200 running
check "stop waits for it" systemctl stop hearth
check "with a success" said '"conclusion":"success"' 3
check "and leaves code 0" is ExecMainStatus 0
check "and no process" sh -c '! ps -u hearth -o args='
check "state is where the page says" test -f /var/lib/hearth/state/server/server.db
echo PORT=x >> /etc/hearth/server.env; systemctl start hearth
check "a wrong setting leaves it failed" within 60 is ActiveState failed
sed -i /^PORT=x/d /etc/hearth/server.env; systemctl start hearth
check "ready again" within 120 ready
check "one for the reboot is 202" answers 202 5
touch /payload/again; systemctl reboot
GUEST
truncate -s 10G "$scratch/disk"
mke2fs -q -t ext4 -d "$root" "$scratch/disk"
timeout 1500 qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -smp 2 -m 5120 -nodefaults -no-user-config -display none \
  -serial null -serial stdio -kernel "$root/vmlinuz" -initrd "$root/initrd.img" -append "console=ttyS0 root=/dev/vda rw quiet systemd.show_status=0" \
  -drive "id=root,file=$scratch/disk,format=raw,if=none,cache=unsafe" -device virtio-blk-pci,drive=root < /dev/null > "$log" || true
tr -d '\r' < "$log" | grep -aE '^(ok|FAIL|→|PROOF)' || true
grep -aq '^PROOF ENDS' "$log" && ! grep -aq '^FAIL' "$log"
