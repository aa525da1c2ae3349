/**
 * What a job's `uses:` names: a file beside the caller's, or one of another repository at a ref. The rules and reasons are those
 * of GitHub's language server (actions/languageservices, `validateWorkflowUsesFormat`). Pure.
 */
import { faultOfRef, isRepositoryName, MAX_NAME } from "../workflow/repository-reference.ts";

export interface RemoteReference {
  readonly owner: string;
  readonly name: string;
  readonly ref: string;
}

export type WorkflowReference =
  | { readonly kind: "local"; readonly path: string }
  | { readonly kind: "remote"; readonly path: string; readonly repository: RemoteReference }
  | { readonly kind: "invalid"; readonly reason: string };

/** `path` is always directly in `.github/workflows`. `$/` means the same as `./`. */
export function parseWorkflowReference(uses: string): WorkflowReference {
  const [before = "", ref, ...more] = uses.split("@");
  if (/^[.$]\//.test(before)) {
    if (ref !== undefined) return invalid("cannot specify version when calling local workflows");
    const path = before.slice(2);
    const fault = faultOfPath(path);
    return fault === undefined ? { kind: "local", path } : invalid(fault);
  }
  if (ref === undefined || ref === "") return invalid("no version specified");
  if (more.length > 0) return invalid("too many '@' in workflow reference");
  const parts = /^(?<owner>[^/]*)\/(?<name>[^/]*)\/(?<path>\.github\/.*)$/s.exec(before)?.groups;
  const { owner, name, path } = { owner: "", name: "", path: "", ...parts };
  if (parts === undefined) {
    return invalid(
      before.includes(".github/workflows/")
        ? "references to workflows must be prefixed with format 'owner/repository/' or './' for local workflows"
        : "references to workflows must be rooted in '.github/workflows'",
    );
  }
  if (!isRepositoryName(owner, name)) return invalid("the name of the owner or the repository is invalid");
  const fault = faultOfPath(path) ?? faultOfRef(ref);
  return fault === undefined ? { kind: "remote", path, repository: { owner, name, ref } } : invalid(fault);
}

function invalid(reason: string): WorkflowReference {
  return { kind: "invalid", reason };
}

function faultOfPath(path: string): string | undefined {
  const file = /^\.github\/workflows(?:-lab)?\/(?<file>.*)$/s.exec(path)?.groups?.["file"];
  if (file === undefined) return "references to workflows must be rooted in '.github/workflows'";
  if (/[/\\]/.test(file)) return "workflows must be defined at the top level of the .github/workflows/ directory";
  if (!/\.ya?ml$/.test(file)) return "workflow file should have either a '.yml' or '.yaml' file extension";
  // No control characters: the name is printed, and stands on a line of its own in what git is asked.
  if (/^\.ya?ml$/.test(file) || file.length > MAX_NAME || /\p{Cc}/u.test(file)) return "invalid workflow file name";
  return undefined;
}
