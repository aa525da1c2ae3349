#!/bin/sh
# Runs a script of this folder on the pinned Node, after making sure that the npm packages of package-lock.json are there.
# A shell script, because before that a fresh machine may have only a Node that cannot run TypeScript.
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.hearth-lock
lock=$(cksum < package-lock.json)
if [ ! -x node_modules/.bin/node ] || [ "$(cat "$stamp" 2>/dev/null || true)" != "$lock" ]; then
  echo "Installing npm packages ..."
  npm ci --no-audit --no-fund --loglevel=error
  printf '%s\n' "$lock" > "$stamp"
fi
PATH=$PWD/node_modules/.bin:$PATH
export PATH
exec node "$@"
