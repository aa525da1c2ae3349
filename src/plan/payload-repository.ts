/**
 * Repositories, users and commits in the shape that webhook payloads have them. Addresses are GitHub's own; what nobody counts
 * here is 0. Source: GitHub "Webhook events and payloads".
 */
import type { Fields, Subject } from "./payload-subject.ts";
import { htmlOf, identity } from "./payload-subject.ts";
import type { Commit } from "./repository-facts.ts";

export function repositoryObject({ facts: { owner, name, defaultBranch }, time }: Subject): Fields {
  const fullName = `${owner}/${name}`;
  const html = `https://github.com/${fullName}`;
  const api = `https://api.github.com/repos/${fullName}`;
  return {
    ...identity("R", fullName),
    name,
    full_name: fullName,
    private: false,
    owner: userObject(owner),
    html_url: html,
    description: null,
    fork: false,
    url: api,
    ...addresses(api, REPOSITORY_PATHS),
    created_at: time,
    updated_at: time,
    pushed_at: time,
    git_url: `git://github.com/${fullName}.git`,
    ssh_url: `git@github.com:${fullName}.git`,
    clone_url: `${html}.git`,
    svn_url: html,
    homepage: null,
    size: 0,
    stargazers_count: 0,
    watchers_count: 0,
    language: null,
    has_issues: true,
    has_projects: true,
    has_downloads: true,
    has_wiki: true,
    has_pages: false,
    has_discussions: false,
    forks_count: 0,
    mirror_url: null,
    archived: false,
    disabled: false,
    open_issues_count: 0,
    license: null,
    allow_forking: true,
    is_template: false,
    web_commit_signoff_required: false,
    topics: [],
    visibility: "public",
    forks: 0,
    open_issues: 0,
    watchers: 0,
    default_branch: defaultBranch,
  };
}

export function userObject(login: string): Fields {
  const api = `https://api.github.com/users/${login}`;
  return {
    login,
    ...identity("U", login),
    avatar_url: `https://avatars.githubusercontent.com/${login}`,
    gravatar_id: "",
    url: api,
    html_url: `https://github.com/${login}`,
    ...addresses(api, USER_PATHS),
    type: "User",
    user_view_type: "public",
    site_admin: false,
  };
}

/** As Actions has it: without the lists of changed files that webhooks bring. */
export function commitObject(commit: Commit, subject: Subject): Fields {
  const { sha, tree, message, author, committer } = commit;
  return {
    id: sha,
    tree_id: tree,
    distinct: true,
    message,
    timestamp: author.date,
    url: `${htmlOf(subject)}/commit/${sha}`,
    author: { name: author.name, email: author.email, username: subject.actor },
    committer: { name: committer.name, email: committer.email, username: subject.actor },
  };
}

/** Of a repository's addresses in the API those that are its own followed by a path, by the beginning of their names. */
const REPOSITORY_PATHS: Readonly<Record<string, string>> = {
  archive: "{archive_format}{/ref}",
  assignees: "assignees{/user}",
  blobs: "git/blobs{/sha}",
  branches: "branches{/branch}",
  collaborators: "collaborators{/collaborator}",
  comments: "comments{/number}",
  commits: "commits{/sha}",
  compare: "compare/{base}...{head}",
  contents: "contents/{+path}",
  contributors: "contributors",
  deployments: "deployments",
  downloads: "downloads",
  events: "events",
  forks: "forks",
  git_commits: "git/commits{/sha}",
  git_refs: "git/refs{/sha}",
  git_tags: "git/tags{/sha}",
  hooks: "hooks",
  issue_comment: "issues/comments{/number}",
  issue_events: "issues/events{/number}",
  issues: "issues{/number}",
  keys: "keys{/key_id}",
  labels: "labels{/name}",
  languages: "languages",
  merges: "merges",
  milestones: "milestones{/number}",
  notifications: "notifications{?since,all,participating}",
  pulls: "pulls{/number}",
  releases: "releases{/id}",
  stargazers: "stargazers",
  statuses: "statuses/{sha}",
  subscribers: "subscribers",
  subscription: "subscription",
  tags: "tags",
  teams: "teams",
  trees: "git/trees{/sha}",
};

const USER_PATHS: Readonly<Record<string, string>> = {
  followers: "followers",
  following: "following{/other_user}",
  gists: "gists{/gist_id}",
  starred: "starred{/owner}{/repo}",
  subscriptions: "subscriptions",
  organizations: "orgs",
  repos: "repos",
  events: "events{/privacy}",
  received_events: "received_events",
};

function addresses(base: string, paths: Readonly<Record<string, string>>): Fields {
  return Object.fromEntries(Object.entries(paths).map(([name, path]) => [`${name}_url`, `${base}/${path}`]));
}
