/**
 * What the built-in checkout runs inside the machine. The text is constant: everything that varies is in CHECKOUT_* variables,
 * made by `checkout.ts`. Groups and commands are logged as actions/checkout logs them, values quoted, so that none of them can
 * become a workflow command. An error's last line is what the step is blamed on.
 */
export const CHECKOUT_SCRIPT = String.raw`
set -euo pipefail
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY

fail() { printf '::error::%s\n' "$1"; exit 1; }
group() { printf '::group::%s\n' "$1"; }
end_group() { printf '::endgroup::\n'; }
run_git() {
  printf '[command]git'; printf ' %q' "$@"; printf '\n'
  git "$@" || { local code=$?; printf "::error::The process 'git' failed with exit code %s\n" "$code"; return "$code"; }
}

printf 'Syncing repository: %s\n' "$CHECKOUT_REPOSITORY"
# A link in the workspace may lead out of it; what is outside is not ours to empty.
path=$(realpath -m -- "$CHECKOUT_PATH")
case "$path/" in
  "$(realpath -m -- "$CHECKOUT_WORKSPACE")/"*) ;;
  *) fail "Repository path leads out of the workspace through a symbolic link" ;;
esac
if [ -e "$path" ] && [ ! -d "$path" ]; then rm -f -- "$path"; fi
mkdir -p -- "$path"
cd -- "$path"

group 'Getting Git version info'
printf 'Working directory is %q\n' "$path"
run_git version
end_group

delete_contents() {
  printf 'Deleting the contents of %q\n' "$path"
  (shopt -s dotglob nullglob && rm -rf -- ./*)
}

# Fails when the repository cannot be made ready for another checkout.
prepare_existing() {
  rm -f -- .git/index.lock .git/shallow.lock
  group 'Removing previously created refs, to avoid conflicts'
  if git symbolic-ref -q HEAD >/dev/null && git rev-parse -q --verify HEAD >/dev/null; then
    git checkout --quiet --detach || return 1
  fi
  git for-each-ref --format='delete %(refname)' refs/heads refs/remotes |
    git update-ref --no-deref --stdin || return 1
  git submodule status >/dev/null || return 1
  end_group
  if [ "$CHECKOUT_CLEAN" = true ]; then
    group 'Cleaning the repository'
    git clean -ffdx || return 1
    git reset --hard --quiet HEAD || return 1
    end_group
  fi
}

if [ -n "$(ls -A)" ]; then
  if [ -d .git ] && [ "$(git config --local --get remote.origin.url || true)" = "$CHECKOUT_URL" ]; then
    if ! prepare_existing; then
      end_group
      printf '::warning::Unable to prepare the existing repository. The repository will be recreated instead.\n'
      delete_contents
    fi
  else
    delete_contents
  fi
fi

if [ ! -d .git ]; then
  group 'Initializing the repository'
  format=sha1
  if [ "${"$"}{#CHECKOUT_COMMIT}" -eq 64 ]; then format=sha256; fi
  run_git init --quiet --object-format="$format" .
  run_git remote add origin "$CHECKOUT_URL"
  end_group
else
  # Credentials that something else wrote are not kept (persist-credentials has nothing to keep here).
  git config --local --unset-all http.https://github.com/.extraheader || true
fi

group 'Disabling automatic garbage collection'
run_git config --local gc.auto 0
end_group

ref=$CHECKOUT_REF
commit=$CHECKOUT_COMMIT
if [ -z "$ref$commit" ]; then
  group 'Determining the default branch'
  head=$(git ls-remote --symref origin HEAD) || fail "The repository $CHECKOUT_REPOSITORY cannot be reached"
  case "$head" in "ref: "*) ref=${"$"}{head%%$'\t'*}; ref=${"$"}{ref#ref: } ;; esac
  [ -n "$ref" ] || fail "The repository $CHECKOUT_REPOSITORY has no default branch"
  printf '%q\n' "$ref"
  end_group
fi

heads='+refs/heads/*:refs/remotes/origin/*'
tags='+refs/tags/*:refs/tags/*'
case "$ref" in
  refs/heads/*) wanted=("+${"$"}{commit:-$ref}:refs/remotes/origin/${"$"}{ref#refs/heads/}") ;;
  refs/pull/*) wanted=("+${"$"}{commit:-$ref}:refs/remotes/pull/${"$"}{ref#refs/pull/}") ;;
  refs/*) wanted=("+$ref:$ref") ;;
  '') wanted=("$commit") ;;
  *) wanted=("+refs/heads/$ref*:refs/remotes/origin/$ref*" "+refs/tags/$ref*:refs/tags/$ref*") ;;
esac

group 'Fetching the repository'
options=(--no-tags --prune --no-recurse-submodules)
# Without a terminal git shows its progress only when told to, and then a line for every percent: nobody reads that in a log.
if [ "$CHECKOUT_PROGRESS" != true ]; then options+=(--quiet); fi
if [ -n "$CHECKOUT_FILTER" ]; then options+=("--filter=$CHECKOUT_FILTER"); fi
if [ "$CHECKOUT_DEPTH" -gt 0 ]; then
  refspecs=("${"$"}{wanted[@]}")
  if [ "$CHECKOUT_TAGS" = true ]; then refspecs+=("$tags"); fi
  # Silently 1 when no name matches; 128 when the repository cannot be reached, and then git has said so.
  run_git fetch "${"$"}{options[@]}" --depth="$CHECKOUT_DEPTH" origin "${"$"}{refspecs[@]}" || {
    code=$?
    if [ "$code" -eq 1 ]; then fail "A branch or tag with the name '$ref' could not be found"; fi
    exit "$code"
  }
else
  unshallow=()
  if [ -s .git/shallow ]; then unshallow=(--unshallow); fi
  refspecs=("$heads" "$tags")
  case "$ref" in refs/pull/*) refspecs+=("${"$"}{wanted[@]}") ;; esac
  run_git fetch "${"$"}{options[@]}" "${"$"}{unshallow[@]}" origin "${"$"}{refspecs[@]}"
  # The branch may have moved on since the event, and a commit may be on no branch.
  missing=
  case "$ref" in
    refs/heads/*) [ "$(git rev-parse "refs/remotes/origin/${"$"}{ref#refs/heads/}")" = "${"$"}{commit:-any}" ] || missing=$commit ;;
    '') git cat-file -e "$commit^{commit}" 2>/dev/null || missing=$commit ;;
  esac
  if [ -n "$missing" ]; then run_git fetch "${"$"}{options[@]}" origin "${"$"}{wanted[@]}"; fi
fi
end_group

group 'Determining the checkout info'
start=
case "$ref" in
  '') target=$commit ;;
  refs/heads/*) target=${"$"}{ref#refs/heads/}; start=refs/remotes/origin/$target ;;
  refs/pull/*) target=refs/remotes/pull/${"$"}{ref#refs/pull/} ;;
  refs/*) target=$ref ;;
  *)
    if git rev-parse -q --verify "refs/remotes/origin/$ref" >/dev/null; then target=$ref; start=refs/remotes/origin/$ref
    elif git rev-parse -q --verify "refs/tags/$ref" >/dev/null; then target=refs/tags/$ref
    else fail "A branch or tag with the name '$ref' could not be found"; fi ;;
esac
if [ -n "$commit" ] && [ -n "$ref" ] && [ "$(git rev-parse -q --verify "${"$"}{start:-$target}^{commit}" || true)" != "$commit" ]; then
  fail "The ref '$ref' does not point to the expected commit $commit"
fi
end_group

if [ -n "$CHECKOUT_SPARSE" ]; then
  group 'Setting up sparse checkout'
  if [ "$CHECKOUT_SPARSE_CONE" = true ]; then
    printf '%s\n' "$CHECKOUT_SPARSE" | run_git sparse-checkout set --cone --stdin
  else
    run_git config core.sparseCheckout true
    run_git config core.sparseCheckoutCone false
    printf '\n%s\n' "$CHECKOUT_SPARSE" >> "$(git rev-parse --git-path info/sparse-checkout)"
  fi
  end_group
elif [ "$(git config --get core.sparseCheckout || true)" = true ]; then
  run_git sparse-checkout disable
fi

# Detaching is quiet because it would print the commit's subject, which anybody may have written.
group 'Checking out the ref'
progress=--quiet
if [ "$CHECKOUT_PROGRESS" = true ]; then progress=--progress; fi
if [ -n "$start" ]; then run_git checkout "$progress" --force -B "$target" "$start"
else run_git checkout --quiet --force --detach "$target"; fi
end_group

if [ -n "$CHECKOUT_SUBMODULES" ]; then
  group 'Fetching submodules'
  recursive=()
  if [ "$CHECKOUT_SUBMODULES" = recursive ]; then recursive=(--recursive); fi
  depth=()
  if [ "$CHECKOUT_DEPTH" -gt 0 ]; then depth=("--depth=$CHECKOUT_DEPTH"); fi
  run_git submodule sync "${"$"}{recursive[@]}"
  run_git submodule update --init --force "${"$"}{depth[@]}" "${"$"}{recursive[@]}"
  run_git submodule foreach --quiet "${"$"}{recursive[@]}" 'git config --local gc.auto 0'
  end_group
fi

sha=$(git rev-parse HEAD)
printf '%s\n' "$sha"
if [ -n "${"$"}{GITHUB_OUTPUT:-}" ]; then
  printf 'ref=%s\ncommit=%s\n' "$ref" "$sha" >> "$GITHUB_OUTPUT"
fi
`;
