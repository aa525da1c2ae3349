/** Names and places of secrets and variables, by GitHub's rules. https://docs.github.com/en/actions/reference/security/secrets */
import { EngineError } from "../lib/engine-error.ts";

/** Where a value holds. Of several with one name the narrowest counts: environment, repository, organisation. */
export type SecretScope =
  | { readonly kind: "organisation"; readonly owner: string }
  /** `owner/name`. */
  | { readonly kind: "repository"; readonly repository: string }
  | { readonly kind: "environment"; readonly repository: string; readonly environment: string };

const MAX_NAME = 255;

/** As it is kept: GitHub shows them in capitals. Throws BAD_USAGE. */
export function checkName(name: string): string {
  const bad = (reason: string): EngineError =>
    new EngineError("BAD_USAGE", `Cannot use the name ${JSON.stringify(name)}: ${reason}`);
  if (name.length > MAX_NAME) throw bad(`it is longer than ${MAX_NAME} characters`);
  if (!/^[A-Za-z_]\w*$/.test(name)) throw bad("names are letters, digits and _, and do not begin with a digit");
  if (/^GITHUB_/i.test(name)) throw bad("names that begin with GITHUB_ are GitHub's own");
  return name.toUpperCase();
}

/** The same for every spelling. Throws BAD_USAGE. */
export function keyOfScope(scope: SecretScope): string {
  switch (scope.kind) {
    case "organisation":
      if (!isPart(scope.owner)) throw badScope("an organisation or owner", scope.owner);
      return `organisation ${scope.owner.toLowerCase()}`;
    case "repository":
      return `repository ${repositoryKey(scope.repository)}`;
    case "environment": {
      const { environment } = scope;
      if (environment === "" || environment.length > MAX_NAME) throw badScope("an environment", environment);
      return `environment ${repositoryKey(scope.repository)} ${environment.toLowerCase()}`;
    }
    default:
      throw new Error("there are three kinds of places");
  }
}

function repositoryKey(repository: string): string {
  const [owner, name, ...more] = repository.split("/");
  if (!isPart(owner) || !isPart(name) || more.length > 0) throw badScope("a repository, as owner/name", repository);
  return repository.toLowerCase();
}

function isPart(text: string | undefined): text is string {
  return text !== undefined && /^[\w.-]{1,100}$/.test(text);
}

function badScope(expected: string, given: string): EngineError {
  return new EngineError("BAD_USAGE", `Cannot use ${JSON.stringify(given)}: expected ${expected}`);
}
