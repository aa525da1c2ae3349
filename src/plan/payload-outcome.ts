/**
 * What came of a commit, in the shape that webhook payloads have it: runs of workflows, checks, statuses, deployments. All have
 * succeeded, since that is what most workflows wait for. Source: GitHub "Webhook events and payloads".
 */
import type { Activity } from "./choose-activity.ts";
import { shortRef, ZERO_SHA } from "./event-revision.ts";
import { commitObject, repositoryObject, userObject } from "./payload-repository.ts";
import type { Fields, Subject } from "./payload-subject.ts";
import { apiOf, htmlOf, identity } from "./payload-subject.ts";

export function workflowRunBody(subject: Subject, { action, workflowName }: Activity): Fields {
  const { actor, time } = subject;
  const name = workflowName ?? "CI";
  const url = `${apiOf(subject)}/actions/runs/1`;
  const completed = action === "completed";
  const workflow = {
    ...identity("W", `${apiOf(subject)}/${name}`),
    name,
    path: ".github/workflows/ci.yml",
    state: "active",
    created_at: time,
    updated_at: time,
    url: `${apiOf(subject)}/actions/workflows/1`,
    html_url: `${htmlOf(subject)}/actions/workflows/ci.yml`,
    badge_url: `${htmlOf(subject)}/workflows/${encodeURIComponent(name)}/badge.svg`,
  };
  const run = {
    id: 1,
    node_id: "WFR_1",
    name,
    ...checkedCommit(subject),
    path: workflow.path,
    display_title: subject.commit.message.split("\n", 1)[0] ?? "",
    run_number: 1,
    run_attempt: 1,
    event: "push",
    status: completed ? "completed" : (action ?? "requested"),
    conclusion: completed ? "success" : null,
    workflow_id: workflow.id,
    url,
    html_url: `${htmlOf(subject)}/actions/runs/1`,
    pull_requests: [],
    created_at: time,
    updated_at: time,
    run_started_at: time,
    actor: userObject(actor),
    triggering_actor: userObject(actor),
    jobs_url: `${url}/jobs`,
    logs_url: `${url}/logs`,
    artifacts_url: `${url}/artifacts`,
    cancel_url: `${url}/cancel`,
    rerun_url: `${url}/rerun`,
    workflow_url: workflow.url,
    check_suite_id: 1,
    check_suite_url: `${apiOf(subject)}/check-suites/1`,
    previous_attempt_url: null,
    repository: repositoryObject(subject),
    head_repository: repositoryObject(subject),
  };
  return { workflow_run: run, workflow };
}

export function checkRunObject(subject: Subject): Fields {
  return {
    ...checkObject(subject),
    name: "Check",
    external_id: "",
    html_url: `${htmlOf(subject)}/runs/1`,
    details_url: `${htmlOf(subject)}/runs/1`,
    started_at: subject.time,
    completed_at: subject.time,
    output: { title: null, summary: null, text: null, annotations_count: 0, annotations_url: "" },
    check_suite: checkObject(subject),
  };
}

/** Of a check suite; a check run has it and the same. Its app is not GitHub Actions, whose checks start nothing. */
export function checkObject(subject: Subject): Fields {
  const url = `${apiOf(subject)}/check-suites/1`;
  return {
    ...identity("CS", url),
    ...checkedCommit(subject),
    status: "completed",
    conclusion: "success",
    url,
    before: subject.facts.history?.base ?? ZERO_SHA,
    after: subject.commit.sha,
    pull_requests: [],
    app: { ...identity("A", "example"), slug: "example", name: "Example", owner: userObject(subject.facts.owner) },
    created_at: subject.time,
    updated_at: subject.time,
  };
}

export function statusBody(subject: Subject): Fields {
  const { facts, commit, time } = subject;
  return {
    id: 1,
    sha: commit.sha,
    name: `${facts.owner}/${facts.name}`,
    target_url: null,
    context: "default",
    description: null,
    state: "success",
    commit: {
      sha: commit.sha,
      html_url: `${htmlOf(subject)}/commit/${commit.sha}`,
      commit: { message: commit.message },
    },
    branches: [{ name: shortRef(facts.ref), commit: { sha: commit.sha }, protected: false }],
    created_at: time,
    updated_at: time,
  };
}

export function deploymentStatusBody(subject: Subject): Fields {
  const { actor, time } = subject;
  const url = `${apiOf(subject)}/deployments/1/statuses/1`;
  return {
    action: "created",
    deployment_status: {
      url,
      deployment_url: `${apiOf(subject)}/deployments/1`,
      repository_url: apiOf(subject),
      ...identity("DES", url),
      state: "success",
      creator: userObject(actor),
      description: "",
      environment: "production",
      target_url: "",
      log_url: "",
      environment_url: "",
      created_at: time,
      updated_at: time,
    },
    deployment: deploymentObject(subject),
  };
}

export function deploymentObject(subject: Subject): Fields {
  const url = `${apiOf(subject)}/deployments/1`;
  return {
    url,
    ...identity("DE", url),
    task: "deploy",
    original_environment: "production",
    environment: "production",
    description: null,
    created_at: subject.time,
    updated_at: subject.time,
    statuses_url: `${url}/statuses`,
    repository_url: apiOf(subject),
    creator: userObject(subject.actor),
    sha: subject.commit.sha,
    ref: shortRef(subject.facts.ref),
    payload: {},
    transient_environment: false,
    production_environment: true,
  };
}

/** Of runs and checks: what they ran on. */
function checkedCommit(subject: Subject): Fields {
  const { facts, commit } = subject;
  return { head_branch: shortRef(facts.ref), head_sha: commit.sha, head_commit: commitObject(commit, subject) };
}
