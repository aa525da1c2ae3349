/**
 * The built-in equivalent of `actions/checkout` (v4 to v7): a bash script for the machine that needs git and coreutils only,
 * and leaves behind what checkout leaves: the branch checked out as a local one that tracks origin, tags and single commits
 * detached, origin at github.com, one commit of depth unless more was asked for. Objects come from the host's git endpoint.
 *
 * The script's text is always the same (`checkout-script.ts`); what the workflow and the event say reaches it as environment
 * variables (SECURITY-RELIABILITY A12). There is no token, so nothing is written for `persist-credentials`.
 * Not as checkout does: no problem matcher is registered, and there is no guard for pull_request_target.
 * Pure. Source: action.yml and the sources of actions/checkout, ACTIONS-CONTRACT §5.8.
 */
import { posix } from "node:path";
import { CHECKOUT_SCRIPT } from "./checkout-script.ts";

export interface CheckoutContext {
  /** `owner/name` of the repository that the run is of. */
  readonly repository: string;
  readonly sha: string;
  readonly ref: string;
  /** Absolute, inside the machine. */
  readonly workspace: string;
  readonly temp: string;
  /** Base of the git endpoint's addresses, without a trailing slash. */
  readonly gitUrl: string;
  /** What origin is to point to. */
  readonly serverUrl: "https://github.com";
  /** Not used while the endpoint asks for none; never given to the script. */
  readonly token: string;
}

export interface Script {
  readonly script: string;
  readonly env: { readonly [name: string]: string };
}

export type CheckoutPlan =
  | {
      readonly kind: "script";
      /** There is no post: nothing is left to undo after the job, as no credentials were written. */
      readonly main: Script;
      readonly workdir: string;
    }
  | { readonly kind: "refused"; readonly message: string };

/** `inputs` by their names in the workflow, expressions evaluated; those not given have checkout's defaults. */
export function planCheckout(inputs: { readonly [name: string]: string }, context: CheckoutContext): CheckoutPlan {
  const input = readInputs(inputs);
  const unsupported = findUnsupported(input);
  if (unsupported !== undefined) return refused(unsupported);

  const repository = input("repository") || context.repository;
  if (!REPOSITORY.test(repository)) {
    return refused(`Invalid repository '${repository}'. Expected format {owner}/{repo}.`);
  }
  const path = posix.resolve(context.workspace, input("path") || ".");
  if (!`${path}/`.startsWith(`${posix.resolve(context.workspace)}/`)) {
    return refused(`Repository path '${path}' is not under '${context.workspace}'`);
  }
  const { ref, commit } = chooseRevision(input("ref"), repository, context);
  if (ref !== "" && !isRefName(ref)) return refused(`The ref '${ref}' is not a valid name of a branch or tag`);
  const filter = input("filter") || (input("sparse-checkout").trim() === "" ? "" : "blob:none");

  return {
    kind: "script",
    main: {
      script: CHECKOUT_SCRIPT,
      env: {
        CHECKOUT_REPOSITORY: repository,
        CHECKOUT_URL: `${context.serverUrl}/${repository}`,
        CHECKOUT_WORKSPACE: context.workspace,
        CHECKOUT_PATH: path,
        CHECKOUT_REF: ref,
        CHECKOUT_COMMIT: commit,
        CHECKOUT_DEPTH: String(parseDepth(input("fetch-depth"))),
        CHECKOUT_TAGS: flag(input("fetch-tags"), false),
        CHECKOUT_PROGRESS: flag(input("show-progress"), true),
        CHECKOUT_CLEAN: flag(input("clean"), true),
        CHECKOUT_FILTER: filter,
        CHECKOUT_SPARSE: input("sparse-checkout"),
        CHECKOUT_SPARSE_CONE: flag(input("sparse-checkout-cone-mode"), true),
        CHECKOUT_SUBMODULES: parseSubmodules(input("submodules")),
        ...gitConfiguration(context, repository, flag(input("set-safe-directory"), true) === "true" ? path : undefined),
      },
    },
    workdir: context.workspace,
  };
}

function refused(message: string): CheckoutPlan {
  return { kind: "refused", message };
}

type Input = (name: string) => string;

/** The runner compares names without case and trims values as `core.getInput` does; some YAML gives `null` for "not set". */
function readInputs(inputs: { readonly [name: string]: string }): Input {
  const byName = new Map(Object.entries(inputs).map(([name, value]) => [name.toLowerCase(), value.trim()]));
  return (name) => {
    const value = byName.get(name) ?? "";
    return value === "null" ? "" : value;
  };
}

function findUnsupported(input: Input): string | undefined {
  if (flag(input("lfs"), false) === "true")
    return "Input 'lfs' of actions/checkout is unsupported: large files are not served to machines";
  if (input("ssh-key") !== "")
    return "Input 'ssh-key' of actions/checkout is unsupported: repositories are served by the host, without keys";
  const server = input("github-server-url").replace(/\/+$/, "").toLowerCase();
  if (server !== "" && server !== "https://github.com") {
    return `Input 'github-server-url' of actions/checkout is unsupported for '${input("github-server-url")}': only https://github.com`;
  }
  const filter = input("filter");
  if (filter !== "" && !/^[a-z]+:[\w:=%+/.-]+$/.test(filter))
    return `Input 'filter' of actions/checkout: '${filter}' is no object filter`;
  return undefined;
}

/** Names as GitHub has them; neither part is `.` or `..` or looks like an option. */
const REPOSITORY = /^\w[\w-]{0,99}\/(?!\.{1,2}$)[\w.][\w.-]{0,99}$/;

interface Revision {
  /** Fully formed, or a short name to be looked for, or empty. */
  readonly ref: string;
  /** Empty when only the ref is known. Both empty: the default branch. */
  readonly commit: string;
}

function chooseRevision(ref: string, repository: string, context: CheckoutContext): Revision {
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(ref)) return { ref: "", commit: ref.toLowerCase() };
  if (ref !== "") return { ref, commit: "" };
  if (repository.toLowerCase() !== context.repository.toLowerCase()) return { ref: "", commit: "" };
  // Some events give a short ref: a pull request that was closed by merging has its base branch.
  const full = context.ref === "" || context.ref.startsWith("refs/") ? context.ref : `refs/heads/${context.ref}`;
  return { ref: full, commit: context.sha };
}

/** git-check-ref-format(1), and no dash in front. */
function isRefName(ref: string): boolean {
  return (
    !/[\0-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^[-/.]|\/[-.]|[/.]$|^@$/.test(ref) &&
    !ref.split("/").some((part) => part.endsWith(".lock"))
  );
}

/** As checkout: not a number, or negative, means everything. */
function parseDepth(text: string): number {
  const depth = Math.floor(Number(text === "" ? "1" : text));
  return Number.isSafeInteger(depth) && depth > 0 ? depth : 0;
}

/** As checkout: only `true`, in any case, is true. */
function flag(text: string, otherwise: boolean): "true" | "false" {
  return text === "" ? `${otherwise}` : text.toLowerCase() === "true" ? "true" : "false";
}

function parseSubmodules(text: string): "" | "true" | "recursive" {
  const value = text.toLowerCase();
  return value === "true" || value === "recursive" ? value : "";
}

/**
 * git's settings for this step alone, by its environment, which its submodules' git sees too. The endpoint is reached
 * without the proxy. checkout as well sets `safe.directory` for the time of its step only.
 */
function gitConfiguration(
  context: CheckoutContext,
  repository: string,
  safeDirectory: string | undefined,
): { [name: string]: string } {
  const settings = [
    // git takes the longest prefix that fits, so that a rule of the user's own for all of github.com does not take this away.
    [`url.${context.gitUrl}/${repository}.insteadOf`, `${context.serverUrl}/${repository}`],
    [`url.${context.gitUrl}/.insteadOf`, `${context.serverUrl}/`],
    [`url.${context.gitUrl}/.insteadOf`, "git@github.com:"],
    [`http.${context.gitUrl}/.proxy`, ""],
    ["protocol.version", "2"],
    ["init.defaultBranch", "main"],
    ...(safeDirectory === undefined ? [] : [["safe.directory", safeDirectory]]),
  ];
  return {
    GIT_TERMINAL_PROMPT: "0",
    GIT_CONFIG_COUNT: String(settings.length),
    ...Object.fromEntries(
      settings.flatMap(([key = "", value = ""], at) => [
        [`GIT_CONFIG_KEY_${at}`, key],
        [`GIT_CONFIG_VALUE_${at}`, value],
      ]),
    ),
  };
}
