/**
 * The whole command line on one page: verbs, options, help. Nothing heavy is imported here, since `hearth --help` reads it
 * all; a command's own module is loaded when it is called. `completion.ts` reads the same definitions.
 */
import { Command, Option } from "commander";
import type { ArtifactsDownloadOptions, ArtifactsListOptions } from "./artifacts.ts";
import type { ListActionsOptions, PruneActionsOptions } from "./actions.ts";
import type { CachesListOptions } from "./caches.ts";
import type { CheckpointsListOptions, CheckpointsRemoveOptions } from "./checkpoints.ts";
import type { InitServerOptions } from "./init-server.ts";
import type { ActionOptions, DispatchOptions } from "./server-actions.ts";
import type { Role } from "../server/api-tokens.ts";
import type { ProductionOptions } from "./doctor-production.ts";
import type { Flags, Hearth } from "./hearth.ts";
import type { DiffOptions } from "./diff.ts";
import type { FlakeOptions } from "./flake.ts";
import type { ForkOptions } from "./fork.ts";
import type { LintCommandOptions } from "./lint.ts";
import type { LogsCommandOptions } from "./logs.ts";
import type { MachinesOptions } from "./machines.ts";
import type { TemplatesPruneOptions } from "./templates.ts";
import { addAssignment, addMatrixValue, addSecret, addText, addVariable, parseAge, parseCount } from "./pairs.ts";
import type { PlanCommandOptions } from "./plan.ts";
import type { RewindOptions } from "./rewind.ts";
import type { RetryOptions } from "./retry.ts";
import type { RunCommandOptions } from "./run.ts";
import type { ListSecretsOptions, SecretPlaceOptions, SetSecretOptions } from "./secret.ts";
import type { PruneCommandOptions, RunsCommandOptions } from "./runs.ts";
import type { CopyOptions } from "./cp.ts";
import type { ShellCommandOptions } from "./shell.ts";
import type { Terminal } from "./terminal.ts";
import type { TranslateCommandOptions } from "./translate.ts";
import type { VerifyCommandOptions } from "./translate-verify.ts";

export interface ProgramSurroundings {
  readonly version: string;
  readonly terminal: Terminal;
  /** Settings are read and the program is wired only when a command needs it. */
  readonly connect: (flags: Flags) => Promise<Hearth>;
  /** Told once, with how the command ended: a code of ours, or that of a program which a person ran through us. */
  readonly finish: (code: number) => void;
}

export function createProgram({ version, terminal, connect, finish }: ProgramSurroundings): Command {
  const program = new Command("hearth")
    .description("Runs GitHub Actions workflows on machines you own, each workflow in a machine of its own.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .showHelpAfterError("(--help shows how it is used)");

  withSelection(program.command("run"))
    .description("run workflows: those in .github/workflows that the event triggers, or the one named")
    .option("--env <k=v>", "variable for every step, over the workflow's env (repeatable)", addAssignment)
    .option("--env-file <file>", "the same, as NAME=value lines (repeatable)", addText)
    .option(
      "--secret <name[=value]>",
      "secret; without a value from the environment, else asked for. A value given here is seen in the process list (repeatable)",
      addSecret,
    )
    .option("--secret-file <file>", "secrets as NAME=value lines (repeatable)", addText)
    .addOption(providerOption())
    .addOption(
      new Option("--machine-per <unit>", "how much shares a machine").choices(["workflow", "job"]).default("workflow"),
    )
    .option("--matrix-fork", "run the first steps that cells of a matrix have in common once (docs/matrix-fork.md)")
    .addOption(concurrencyOption("workflows"))
    .addOption(networkOption())
    .option("--allow-host <host>", "let machines reach this host, or *.domain (repeatable)", addText)
    .option("--ca-file <file>", "certificate authorities that machines trust as well (repeatable)", addText)
    .addOption(
      new Option(
        "--api <source>",
        "who answers when jobs ask GitHub's API: this host, or GitHub with its token",
      ).choices(["local", "github"]),
    )
    .option("--api-state <file>", "issues, pull requests, releases that the local API begins with, as JSON")
    .addOption(new Option("--json", "one event a line, then a summary for each workflow").conflicts(["list", "graph"]))
    .option("--verbose", "open the groups")
    .addOption(checkpointOption())
    .option("--pause-on-failure", "wait at a step that fails, with its machine, for hearth retry, continue or abort")
    .addOption(
      new Option(
        "--failed [run]",
        "only the jobs that failed in the latest run, or the one named, and those that need them",
      ).conflicts(["list", "graph", "watch"]),
    )
    .addOption(new Option("--watch", "run again whenever files change").conflicts(["list", "graph"]))
    .addOption(stateOption())
    .addHelpText("after", runExamples)
    .action(async (path: string | undefined, options: RunCommandOptions & Flags) => {
      const { run } = await import("./run.ts");
      finish(await run(await connect(options), terminal, path, options));
    });

  program
    .command("retry")
    .description("run on from a step of a kept run, with the workflow as it is now (docs/time-travel.md)")
    .argument("[run]", "id of the run, or the beginning of one (default: the latest)")
    .option("--from <step>", "its number, id or name (default: the first that failed)")
    .option("--job <job>", "the job that the step is in")
    .option("--stale", "leave what ran before it as it ran, although the workflow has changed there")
    .option("--sync", "first put into the machine what has changed in the working tree since the run began")
    .option("--env <k=v>", "variable for every job that starts anew (repeatable)", addAssignment)
    .option("--env-file <file>", "the same, as NAME=value lines (repeatable)", addText)
    .option("--secret <name[=value]>", "secret, as for hearth run (repeatable)", addSecret)
    .option("--secret-file <file>", "secrets as NAME=value lines (repeatable)", addText)
    .addOption(networkOption())
    .option("--allow-host <host>", "let machines reach this host, or *.domain (repeatable)", addText)
    .option("--json", "one event a line, then a summary")
    .option("--verbose", "open the groups")
    .addOption(checkpointOption())
    .addOption(stateOption())
    .addHelpText("after", retryExamples)
    .action(async (run: string | undefined, options: RetryOptions & Flags) => {
      const { retry } = await import("./retry.ts");
      finish(await retry(await connect(options), terminal, run, options));
    });

  program
    .command("shell")
    .description("a shell in a fresh machine, or in the machine of a run that is going on")
    .argument("[image or run]", "an image of `hearth image list`, or a run (default: a machine of the usual image)")
    .option("--job <job>", "of a run: the job whose machine is entered (default: the only one)")
    .option("--exec <command>", "run this line of bash there instead, and exit with its exit code")
    .addOption(providerOption())
    .addOption(networkOption())
    .option("--allow-host <host>", "let the machine reach this host, or *.domain (repeatable)", addText)
    .option("--ca-file <file>", "certificate authorities that the machine trusts as well (repeatable)", addText)
    .addOption(stateOption())
    .addHelpText("after", shellExamples)
    .action(async (name: string | undefined, options: ShellCommandOptions & Flags) => {
      const { shell } = await import("./shell.ts");
      finish(await shell(await connect(options), terminal, name, options));
    });

  program
    .command("cp")
    .description("copy a file or a directory out of the machine of a run that is going on, or into it")
    .argument("<from>", "RUN:PATH, RUN@STEP:PATH of a kept run, or a path of this host")
    .argument("<to>", "a path of this host, or RUN:PATH")
    .option("--job <job>", "the job whose machine it is (default: the only one)")
    .option("--force", "replace what is there already")
    .addOption(stateOption())
    .addHelpText("after", cpExamples)
    .action(async (from: string, to: string, options: CopyOptions & Flags) => {
      const { copy } = await import("./cp.ts");
      finish(await copy(await connect(options), terminal, from, to, options));
    });

  for (const [name, decision, description] of DECISIONS) {
    program
      .command(name)
      .description(description)
      .argument("[run]", "id of the run, or the beginning of one (default: the latest)")
      .option("--job <job>", "which job, where several wait")
      .addOption(stateOption())
      .action(async (run: string | undefined, { job, ...flags }: { readonly job?: string } & Flags) => {
        const { decide } = await import("./decide.ts");
        finish(await decide(await connect(flags), terminal, run, { decision, job }));
      });
  }

  withMoment(program.command("rewind"), "--to <step>")
    .description("a shell, or a command, in a machine as it was before a step of a kept run")
    .option("--exec <command>", "run this there, and exit with its exit code")
    .action(async (run: string | undefined, options: RewindOptions & Flags) => {
      const { rewind } = await import("./rewind.ts");
      finish(await rewind(await connect(options), terminal, run, options));
    });

  withMoment(program.command("fork"), "--at <step>")
    .description("several machines from one moment of a kept run: a command in each, or open until Ctrl-C")
    .option("-n, --number <n>", "how many (default: 2)", parseCount)
    .addOption(concurrencyOption("machines made, or commands run,"))
    .option("--exec <command>", "what each of them runs (default: they stay, for hearth shell and hearth cp)")
    .option("--json", "one object a line, for each machine")
    .action(async (run: string | undefined, options: ForkOptions & Flags) => {
      const { fork } = await import("./fork.ts");
      finish(await fork(await connect(options), terminal, run, options));
    });

  program
    .command("diff")
    .description("what a step of a kept run did: files, environment, outputs, processes, ports, network")
    .argument("<run>", "id of the run, or the beginning of one")
    .argument("<step>", "its number, id or name")
    .argument("[step]", "compare before the first with before this one (default: with what comes after the first)")
    .option("--job <job>", "the job that the step is in")
    .option("--path <directory>", "only files below it; in the workspace where it is not absolute")
    .option("--content", "small text files as a unified diff")
    .option("--all", "nothing cut, and what Hearth writes itself")
    .option("--json", "as one JSON document")
    .addOption(stateOption())
    .addHelpText("after", diffExamples)
    .action(async (run: string, first: string, second: string | undefined, options: DiffOptions & Flags) => {
      const { diff } = await import("./diff.ts");
      // What is restored is only looked at.
      const hearth = await connect({ ...options, network: "closed" });
      finish(await diff(hearth, terminal, run, { first, second }, options));
    });

  withMoment(program.command("flake"), "--step <step>")
    .description("run one step of a kept run again and again from the same state: does it always fail?")
    .option("-n, --number <n>", "how often (default: 10)", parseCount)
    .addOption(concurrencyOption("trials"))
    .option("--stale", "leave what ran before it as it ran, although the workflow has changed there")
    .option("--env <k=v>", "variable for every step (repeatable)", addAssignment)
    .option("--env-file <file>", "the same, as NAME=value lines (repeatable)", addText)
    .option("--secret <name[=value]>", "secret, as for hearth run (repeatable)", addSecret)
    .option("--secret-file <file>", "secrets as NAME=value lines (repeatable)", addText)
    .option("--json", "one object a line for each trial, then the verdict")
    .action(async (run: string | undefined, options: FlakeOptions & Flags) => {
      const { flake } = await import("./flake.ts");
      finish(await flake(await connect(options), terminal, run, options));
    });

  withSelection(program.command("plan"))
    .description("show what would run, and how each step would; runs nothing")
    .option("--fetch", "fetch the actions that are not on this host, as a run does")
    .addOption(new Option("--json", "as one JSON document").conflicts(["list", "graph"]))
    .addHelpText("after", planExamples)
    .action(async (path: string | undefined, options: PlanCommandOptions & Flags) => {
      const { plan } = await import("./plan.ts");
      finish(await plan(await connect(options), terminal, path, options));
    });

  program
    .command("lint")
    .description("show what in workflows lets others do more than was meant; runs nothing")
    .argument("[workflow or directory]", "a workflow file, or a directory of them (default: .github/workflows)")
    .option("--strict", "exit with 3 when a stranger could run commands")
    .option("--json", "as one JSON document")
    .addOption(new Option("--sarif", "as SARIF, for code scanning").conflicts("json"))
    .addHelpText("after", lintExamples)
    .action(async (path: string | undefined, options: LintCommandOptions) => {
      const { lint } = await import("./lint.ts");
      finish(await lint(await connect({}), terminal, path, options));
    });

  const runsCommand = program
    .command("runs")
    .description("list the runs that are kept, newest first; `prune` removes old ones")
    .option("--limit <n>", "at most so many", parseCount)
    .option("--workflow <file>", "only those of this workflow: its path or the end of it")
    .option("--json", "as one JSON document")
    .addOption(stateOption())
    .addOption(serverOption())
    .action(async (options: RunsCommandOptions & Flags) => {
      const hearth = await connect(options);
      if (options.server !== undefined) {
        const { serverRuns } = await import("./server-runs.ts");
        return finish(await serverRuns(hearth, terminal, options));
      }
      const { runs } = await import("./runs.ts");
      return finish(await runs(hearth, terminal, options));
    });
  runsCommand
    .command("prune")
    .description("remove old runs, never one that is going on (default: keep the newest 100)")
    .addOption(new Option("--keep <n>", "keep the newest").argParser(parseCount))
    .addOption(new Option("--older-than <age>", "remove what is older, as 30d, 12h or 45m").argParser(parseAge))
    .addOption(stateOption())
    .action(async (options: PruneCommandOptions & Flags, command: Command) => {
      const { pruneRuns } = await import("./runs.ts");
      finish(await pruneRuns(await connect({ ...command.parent?.opts<Flags>(), ...options }), terminal, options));
    });

  program
    .command("logs")
    .description("show what a run printed")
    .argument("[run]", "id of the run, or the beginning of one (default: the latest)")
    .option("--job <job>", "only this job, or `id (cell)`")
    .option("--step <step>", "only this step: its number or name")
    .option("--verbose", "open the groups")
    .addOption(
      new Option("--summary", "what its steps wrote into their summaries instead").conflicts(["step", "verbose"]),
    )
    .addOption(
      new Option("--network", "which outside hosts its steps asked for instead").conflicts(["summary", "verbose"]),
    )
    .addOption(
      new Option("--api", "what its jobs changed through GitHub's API instead").conflicts([
        "summary",
        "verbose",
        "network",
        "step",
      ]),
    )
    .addOption(
      new Option("--follow", "of a run on a server: line by line until it ends").conflicts([
        "summary",
        "api",
        "network",
      ]),
    )
    .addOption(stateOption())
    .addOption(serverOption())
    .addHelpText("after", logsExamples)
    .action(async (run: string | undefined, { state, server, ...options }: LogsCommandOptions & LogsFlags) => {
      const flags = { ...(state !== undefined && { state }), ...(server !== undefined && { server }) };
      const hearth = await connect(flags);
      if (run !== undefined && (server !== undefined || options.follow === true)) {
        const { serverLogs } = await import("./server-runs.ts");
        return finish(await serverLogs(hearth, terminal, run, options));
      }
      const { logs } = await import("./logs.ts");
      return finish(await logs(hearth, terminal, run, options));
    });

  program
    .command("serve")
    .description("be a server: take webhooks, run what they start, tell GitHub (docs/server.md)")
    .addOption(providerOption())
    .addOption(concurrencyOption("workflows"))
    .addOption(networkOption())
    .option("--allow-host <host>", "let machines reach this host, or *.domain (repeatable)", addText)
    .addOption(stateOption())
    .addHelpText("after", serveExamples)
    .action(async (options: Flags) => {
      const { serve } = await import("./serve.ts");
      finish(await serve(await connect(options), terminal));
    });

  withServer(program.command("cancel"))
    .description("cancel a run of a server")
    .argument("<run>", "its number there, or the id of its record")
    .action(async (run: string, options: ActionOptions & Flags) => {
      const { cancelRun } = await import("./server-actions.ts");
      finish(await cancelRun(await connect(options), terminal, run, options));
    });

  withServer(program.command("rerun"))
    .description("run a completed run of a server again, at the same commit")
    .argument("<run>", "its number there, or the id of its record")
    .option("--failed", "only the jobs that failed, and those that need them")
    .action(async (run: string, options: ActionOptions & { readonly failed?: boolean } & Flags) => {
      const { rerunRun } = await import("./server-actions.ts");
      finish(await rerunRun(await connect(options), terminal, run, options));
    });

  withServer(program.command("approve"))
    .description("let a run of an outsider start on a server")
    .argument("<run>", "its number there")
    .option("--sha <sha>", "the commit that was looked at (default: the run's, which is said)")
    .action(async (run: string, options: ActionOptions & { readonly sha?: string } & Flags) => {
      const { approveRun } = await import("./server-actions.ts");
      finish(await approveRun(await connect(options), terminal, run, options));
    });

  withServer(program.command("dispatch"))
    .description("start a workflow that has workflow_dispatch on a server")
    .argument("<name>", "name of the workflow's file: ci.yml")
    .option("--repo <owner/name>", "its repository (default: the only one that the server knows)")
    .option("--ref <ref>", "branch or tag (default: the default branch)")
    .option("--input <k=v>", "input of the workflow (repeatable)", addAssignment)
    .action(async (workflow: string, options: DispatchOptions & Flags) => {
      const { dispatchWorkflow } = await import("./server-actions.ts");
      finish(await dispatchWorkflow(await connect(options), terminal, workflow, options));
    });

  program
    .command("post-receive")
    .description("tell the server of this host of a push: what the hook of a bare repository calls")
    .argument("<owner/name>", "the repository, as the server calls it")
    .addOption(serverOption())
    .addOption(stateOption())
    .action(async (repository: string, options: Flags) => {
      const { postReceive } = await import("./post-receive.ts");
      finish(await postReceive(await connect(options), terminal, repository));
    });

  const apiToken = program.command("api-token").description("add, list and remove tokens for the API of the server");
  apiToken
    .command("add")
    .description("make a token, and show it once")
    .argument("<name>", "whose it is, or what for")
    .addOption(new Option("--role <role>", "what it may").choices(["read", "run", "admin"]).default("read"))
    .addOption(stateOption())
    .action(async (name: string, options: { readonly role: Role } & Flags) => {
      const { addApiToken } = await import("./api-token.ts");
      finish(await addApiToken(await connect(options), terminal, name, options));
    });
  apiToken
    .command("list")
    .description("list the tokens, which themselves nobody can see again")
    .option("--json", "as one JSON document")
    .addOption(stateOption())
    .action(async (options: { readonly json?: boolean } & Flags) => {
      const { listApiTokens } = await import("./api-token.ts");
      finish(await listApiTokens(await connect(options), terminal, options));
    });
  apiToken
    .command("rm")
    .description("remove a token: from now on it opens nothing")
    .argument("<name>", "its name")
    .addOption(stateOption())
    .action(async (name: string, options: Flags) => {
      const { removeApiToken } = await import("./api-token.ts");
      finish(await removeApiToken(await connect(options), terminal, name));
    });

  program
    .command("backup")
    .description("save runs, artifacts and the server's database in a file; safe while a server runs")
    .argument("<file>", "a new file, such as hearth.tar.gz")
    .addOption(stateOption())
    .action(async (file: string, options: Flags) => {
      const { backup } = await import("./backup.ts");
      finish(await backup(await connect(options), terminal, file));
    });
  program
    .command("restore")
    .description("put back what was saved; refuses over a server that runs")
    .argument("<file>", "what hearth backup wrote")
    .option("--force", "also over what is kept, which is put aside")
    .addOption(stateOption())
    .action(async (file: string, options: { readonly force?: boolean } & Flags) => {
      const { restore } = await import("./backup.ts");
      finish(await restore(await connect(options), terminal, file, options));
    });

  program
    .command("init")
    .description("write what one begins with")
    .command("server")
    .description("write settings of a server with a secret, and tell what to type on GitHub")
    .option("-o, --output <file>", "a new file", "server.env")
    .option("--public-url <url>", "how GitHub will reach the server")
    .action(async (options: InitServerOptions) => {
      const { initServer } = await import("./init-server.ts");
      finish(await initServer(terminal, options));
    });

  program
    .command("lock")
    .description("pin every action and workflow of other repositories to its commit, in .hearth/lock.yml")
    .argument("[workflow or directory]", "a workflow file, or a directory of them (default: .github/workflows)")
    .addOption(mirrorOption())
    .action(async (path: string | undefined, options: Flags) => {
      const { lock } = await import("./lock.ts");
      finish(await lock(await connect(options), terminal, path));
    });

  const translations = program
    .command("translate")
    .description("show the steps that stand for actions that cannot run here, as a change of .hearth/lock.yml")
    .argument("[workflow or directory]", "a workflow file, or a directory of them (default: .github/workflows)")
    .option("--all", "also for actions that can run here")
    .option("--write", "write them to .hearth/lock.yml")
    .option("--json", "as one JSON document")
    .addOption(mirrorOption())
    .action(async (path: string | undefined, options: TranslateCommandOptions & Flags) => {
      const { translate } = await import("./translate.ts");
      finish(await translate(await connect(options), terminal, path, options));
    });
  translations
    .command("verify")
    .description("run actions and their translations in two machines beside each other, and say in what they differ")
    .argument("[step or workflow]", "a workflow file, an action, or the id of a step (default: all that are used)")
    .option("--json", "as one JSON document")
    .addOption(mirrorOption())
    .addOption(providerOption())
    .addOption(networkOption())
    .option("--allow-host <host>", "let machines reach this host, or *.domain (repeatable)", addText)
    .action(async (wanted: string | undefined, _own: object, command: Command) => {
      // Those that `translate` has as well are taken by it.
      const options: VerifyCommandOptions & Flags = command.optsWithGlobals();
      const { verifyTranslations } = await import("./translate-verify.ts");
      const hearth = await connect(options);
      try {
        finish(await verifyTranslations(hearth, terminal, wanted, options));
      } finally {
        await hearth.close();
      }
    });

  const actions = program
    .command("actions")
    .description("keep actions of other repositories on this host, for runs without a network");
  actions
    .command("fetch")
    .description("fetch every action that workflows use, as it is now")
    .argument("[workflow or directory]", "a workflow file, or a directory of them (default: .github/workflows)")
    .action(async (path: string | undefined) => {
      const { fetchActions } = await import("./actions.ts");
      finish(await fetchActions(await connect({}), terminal, path));
    });
  actions
    .command("list")
    .description("list the actions that are kept")
    .option("--json", "as one JSON document")
    .action(async (options: ListActionsOptions) => {
      const { listActions } = await import("./actions.ts");
      finish(await listActions(await connect({}), terminal, options));
    });
  actions
    .command("verify")
    .description("read all of them, and tell what the lock file pins and is not kept")
    .action(async () => {
      const { verifyActions } = await import("./actions.ts");
      finish(await verifyActions(await connect({}), terminal));
    });
  actions
    .command("prune")
    .description("remove those that were not used lately (default: for 30 days)")
    .addOption(new Option("--older-than <age>", "last used before, as 30d, 12h or 45m").argParser(parseAge))
    .action(async (options: PruneActionsOptions) => {
      const { pruneActions } = await import("./actions.ts");
      finish(await pruneActions(await connect({}), terminal, options));
    });

  const checkpoints = program
    .command("checkpoints")
    .description("list and remove the moments of runs that are kept to go on from");
  checkpoints
    .command("list")
    .description("list them, the oldest first, and what they take on the disk")
    .argument("[run]", "id of a run, or the beginning of one (default: all)")
    .option("--json", "as one JSON document")
    .addOption(stateOption())
    .addHelpText("after", checkpointsListExamples)
    .action(async (run: string | undefined, options: CheckpointsListOptions & Flags) => {
      const { listCheckpoints } = await import("./checkpoints.ts");
      finish(await listCheckpoints(await connect(options), terminal, run, options));
    });
  checkpoints
    .command("rm")
    .description("remove those of a run, of one of its jobs, or before one step; their space is given back")
    .argument("[run]", "id of the run, or the beginning of one")
    .option("--all", "of every run, also those that cannot be read any more")
    .option("--job <job>", "only of this job: its name as the list shows it")
    .option("--step <n>", "only before this step", parseCount)
    .addOption(stateOption())
    .addHelpText("after", checkpointsRemoveExamples)
    .action(async (run: string | undefined, options: CheckpointsRemoveOptions & Flags) => {
      const { removeCheckpoints } = await import("./checkpoints.ts");
      finish(await removeCheckpoints(await connect(options), terminal, run, options));
    });

  const caches = program.command("caches").description("list and remove what workflows have cached");
  caches
    .command("list")
    .description("list the caches of this host, the one used last first")
    .option("--json", "as one JSON document")
    .addOption(stateOption())
    .action(async (options: CachesListOptions & Flags) => {
      const { listCaches } = await import("./caches.ts");
      finish(await listCaches(await connect(options), terminal, options));
    });
  caches
    .command("rm")
    .description("remove caches")
    .argument("<cache...>", "their ids, or keys")
    .addOption(stateOption())
    .action(async (names: readonly string[], options: Flags) => {
      const { removeCaches } = await import("./caches.ts");
      finish(await removeCaches(await connect(options), terminal, names));
    });

  const artifacts = program.command("artifacts").description("list and download what the jobs of a run have uploaded");
  artifacts
    .command("list")
    .description("list the artifacts of a run, oldest first")
    .argument("[run]", "id of the run, or the beginning of one (default: the latest)")
    .option("--json", "as one JSON document")
    .addOption(stateOption())
    .action(async (run: string | undefined, options: ArtifactsListOptions & Flags) => {
      const { listArtifacts } = await import("./artifacts.ts");
      finish(await listArtifacts(await connect(options), terminal, run, options));
    });
  artifacts
    .command("download")
    .description("save an artifact of a run in a new directory; archives are unpacked")
    .usage("[options] [run] <name>")
    .argument("<run or name>", "id of the run, or the beginning of one (default: the latest)")
    .argument("[name]", "name of the artifact")
    .option("-o, --output <directory>", "new or empty (default: called as the artifact)")
    .addOption(stateOption())
    .action(async (first: string, second: string | undefined, options: ArtifactsDownloadOptions & Flags) => {
      const { downloadArtifact } = await import("./artifacts.ts");
      const [run, name] = second === undefined ? [undefined, first] : [first, second];
      finish(await downloadArtifact(await connect(options), terminal, run, name, options));
    });

  addSecretCommands(
    "secret",
    "set, list and remove what the server's runs read as secrets: kept encrypted on this host",
  );
  addSecretCommands("variable", "set, list and remove what the server's runs read as vars");

  const oidc = program.command("oidc").description("the keys that identity tokens of this host are checked by");
  oidc
    .command("jwks")
    .description("print the public keys, for whoever is to believe the tokens")
    .action(async () => {
      const { printKeys } = await import("./oidc.ts");
      finish(await printKeys(await connect({}), terminal));
    });
  oidc
    .command("rotate")
    .description("make a new key, which signs from now on")
    .action(async () => {
      const { rotateKeys } = await import("./oidc.ts");
      finish(await rotateKeys(await connect({}), terminal));
    });

  const machines = program.command("machines").description("list the machines of this host, end what was left behind");
  machines
    .command("list")
    .description("list the machines of this host, whichever hearth uses them, the oldest first")
    .option("--json", "as one JSON document")
    .action(async (options: MachinesOptions) => {
      const { listMachines } = await import("./machines.ts");
      finish(await listMachines(await connect({}), terminal, options));
    });
  machines
    .command("reap")
    .description("end and remove now what killed processes left behind; every run does so too")
    .option("--json", "as one JSON document")
    .action(async (options: MachinesOptions) => {
      const { reapMachines } = await import("./machines.ts");
      finish(await reapMachines(await connect({}), terminal, options));
    });
  const templates = machines
    .command("templates")
    .description("list the templates that machines are copied from, the last used first; `prune` removes them")
    .option("--json", "as one JSON document")
    .action(async (options: MachinesOptions) => {
      const { listTemplates } = await import("./templates.ts");
      finish(await listTemplates(await connect({}), terminal, options));
    });
  templates
    .command("prune")
    .description("remove those whose image is gone, never one in use; one that is wanted again is made again")
    .addOption(new Option("--older-than <age>", "and those last used before, as 30d, 12h or 45m").argParser(parseAge))
    .option("--all", "all of them")
    .action(async (options: TemplatesPruneOptions) => {
      const { pruneTemplates } = await import("./templates.ts");
      finish(await pruneTemplates(await connect({}), terminal, options));
    });

  const image = program.command("image").description("build, list and remove the images that machines start from");
  image
    .command("build")
    .description("build the image; at once when nothing has changed")
    .argument("[definition]", "definition file (default: the one Hearth brings)")
    .action(async (definition: string | undefined) => {
      const { buildImage } = await import("./image.ts");
      finish(await buildImage(await connect({}), terminal, definition));
    });
  image
    .command("list")
    .description("list the images of this host, newest first")
    .action(async () => {
      const { listImages } = await import("./image.ts");
      finish(await listImages(await connect({}), terminal));
    });
  image
    .command("rm")
    .description("remove an image")
    .argument("<image>", "its name, or the beginning of its digest")
    .action(async (name: string) => {
      const { removeImage } = await import("./image.ts");
      finish(await removeImage(await connect({}), terminal, name));
    });

  const tools = program
    .command("tools")
    .description("add, list and remove what setup-node, -python and -go find offline");
  tools
    .command("add")
    .description("fetch tools into the tool cache of every machine: node@24, python@3.12, go@1.25.4")
    .argument("<tool@version...>", "the newest of this version, or this very one")
    .action(async (wishes: readonly string[]) => {
      const { addTools } = await import("./tools.ts");
      finish(await addTools(await connect({}), terminal, wishes));
    });
  tools
    .command("list")
    .description("list the tools of this host")
    .action(async () => {
      const { listTools } = await import("./tools.ts");
      finish(await listTools(await connect({}), terminal));
    });
  tools
    .command("rm")
    .description("remove tools")
    .argument("<tool>", "node@24.1.0, or the beginning of it: node@24, node")
    .action(async (wish: string) => {
      const { removeTools } = await import("./tools.ts");
      finish(await removeTools(await connect({}), terminal, wish));
    });

  const setup = program
    .command("setup")
    .description("install what this host lacks: for the best provider it can use, or the one named")
    .action(async () => {
      const { setupHost } = await import("./setup.ts");
      finish(await setupHost(await connect({}), terminal, "best"));
    });
  setup
    .command("all")
    .description("for every provider this host can use")
    .action(async () => {
      const { setupHost } = await import("./setup.ts");
      finish(await setupHost(await connect({}), terminal, "all"));
    });
  setup
    .command("qemu")
    .description("QEMU, the guest's kernel, image and disks")
    .action(async () => {
      const { setupHost } = await import("./setup.ts");
      finish(await setupHost(await connect({}), terminal, "qemu"));
    });
  setup
    .command("firecracker")
    .description("register a Firecracker that you have downloaded, and its jailer")
    .requiredOption("--binary <path>", "the program `firecracker` of a release")
    .option("--jailer <path>", "the program `jailer` of the same release")
    .action(async (options: { readonly binary: string; readonly jailer?: string }) => {
      const { setupFirecracker } = await import("./setup.ts");
      finish(await setupFirecracker(await connect({}), terminal, options));
    });
  setup
    .command("gvisor")
    .description("get a working runsc: the given one, the one on PATH, or built with Go")
    .option("--binary <path>", "use this runsc")
    .action(async (options: { readonly binary?: string }) => {
      const { setupGvisor } = await import("./setup.ts");
      finish(await setupGvisor(await connect({}), terminal, options));
    });

  program
    .command("doctor")
    .description("tell what this host can do, with the fix for what it cannot, and every setting")
    .addOption(stateOption())
    .addOption(providerOption())
    .option("--model", "whether the configured model is fit to translate actions, by five questions")
    .option("--production", "whether this host is set up to run strangers' code under Firecracker, point by point")
    .option("--json", "with --production or --model: as one JSON document")
    .option("--server [url]", "how the server is, this host's or the one named, and its settings")
    .action(
      async ({
        production,
        model,
        json,
        server,
        ...flags
      }: Omit<Flags, "server"> & ProductionOptions & DoctorOptions) => {
        if (server !== undefined) {
          const { serverDoctor } = await import("./server-doctor.ts");
          const hearth = await connect(typeof server === "string" ? { ...flags, server } : flags);
          return finish(await serverDoctor(hearth, terminal));
        }
        if (model === true) {
          const { doctorModel } = await import("./doctor-model.ts");
          return finish(await doctorModel(await connect(flags), terminal, json === undefined ? {} : { json }));
        }
        if (production === true) {
          const { doctorProduction } = await import("./doctor-production.ts");
          return finish(await doctorProduction(await connect(flags), terminal, json === undefined ? {} : { json }));
        }
        const { doctor } = await import("./doctor.ts");
        return finish(await doctor(await connect(flags), terminal));
      },
    );

  program
    .command("completion")
    .description("print a completion script")
    .addArgument(program.createArgument("<shell>", "your shell").choices(["bash", "zsh", "fish"]))
    .addHelpText("after", completionExamples)
    .action(async (shell: "bash" | "zsh" | "fish") => {
      const { completionScript, describeProgram } = await import("./completion.ts");
      terminal.out.write(completionScript(shell, describeProgram(program)));
      finish(0);
    });

  return program;

  function addSecretCommands(kind: "secret" | "variable", description: string): void {
    const command = program.command(kind).description(description);
    const add = (name: string, text: string): Command =>
      command
        .command(name)
        .description(text)
        .addOption(new Option("--repo <owner/name>", "of this repository (default: the one here)").conflicts("org"))
        .addOption(new Option("--env <name>", "of this environment of the repository").conflicts("org"))
        .option("--org <owner>", "of all repositories of an organisation or owner")
        .addOption(stateOption());
    add("set", `set a ${kind}: from standard input, else asked for`)
      .argument("<name>", "as GitHub takes it")
      .option("--body <value>", "the value; it is then seen in the process list")
      .action(async (name: string, options: SetSecretOptions & Flags) => {
        const { setSecret } = await import("./secret.ts");
        finish(await setSecret(await connect(options), terminal, kind, name, options));
      });
    add("list", kind === "secret" ? "list names and dates" : "list names, dates and values")
      .option("--json", "as one JSON document")
      .action(async (options: ListSecretsOptions & Flags) => {
        const { listSecrets } = await import("./secret.ts");
        finish(await listSecrets(await connect(options), terminal, kind, options));
      });
    add("rm", `remove a ${kind}`)
      .argument("<name>", "its name")
      .action(async (name: string, options: SecretPlaceOptions & Flags) => {
        const { removeSecret } = await import("./secret.ts");
        finish(await removeSecret(await connect(options), terminal, kind, name, options));
      });
  }
}

/** Which workflows, for which event: the same for `run` and `plan`. */
function withSelection(command: Command): Command {
  return command
    .argument("[workflow or directory]", "a workflow file, or a directory of them (default: .github/workflows)")
    .option("--event <name>", "the event that happened (default: push)")
    .option("--event-file <payload.json>", "the event's body")
    .option("--schedule <cron>", "the entry of on.schedule that fires (default: each workflow's first)")
    .option("--job <id>", "only this job and those it needs")
    .option("--matrix <k:v>", "only matrix cells with this value (repeatable)", addMatrixValue)
    .option("--input <k=v>", "input of workflow_dispatch (repeatable)", addAssignment)
    .option("--var <k=v>", "entry of the vars context, over hearth.yml's (repeatable)", addVariable)
    .option("--var-file <file>", "the same, as NAME=value lines (repeatable)", addText)
    .option("--skip-unsupported", "leave out the jobs that cannot run here, and run the rest; exits with 6")
    .option("--strict", "refuse workflows in which a stranger could run commands (see hearth lint)")
    .addOption(mirrorOption())
    .option("--locked", "refuse references to other repositories that .hearth/lock.yml does not pin")
    .option("--frozen", "the same, and translations that it does not pin, Hearth's own rules among them")
    .option("--translate", "ask the configured model for what no rule translates (run does so anyway)")
    .option("--no-translate", "refuse actions that cannot run here, rather than translate them")
    .option("--no-builtins", "run the real actions/checkout, and others that Hearth has built in")
    .option("--list", "list the workflows with their jobs and triggers; runs nothing")
    .option("--graph [format]", "draw what needs what, as text or svg; runs nothing");
}

function providerOption(): Option {
  return new Option("--provider <name>", "what machines are made with (default: the best this host can use)").choices([
    "firecracker",
    "gvisor",
    "qemu",
    "host",
  ]);
}

/** `step`: the option that names it. */
function withMoment(command: Command, step: string): Command {
  return command
    .argument("[run]", "id of the run, or the beginning of one (default: the latest)")
    .option(step, "its number, id or name (default: the first that failed)")
    .option("--job <job>", "the job that the step is in")
    .addOption(networkOption())
    .option("--allow-host <host>", "let machines reach this host, or *.domain (repeatable)", addText)
    .addOption(stateOption());
}

const DECISIONS = [
  ["continue", "continue", "let a run that waits at a failed step go on (hearth run --pause-on-failure)"],
  ["abort", "abort", "cancel the job that waits at a failed step"],
] as const;

function checkpointOption(): Option {
  return new Option(
    "--checkpoint <when>",
    "keep moments to go back to: before every step, or as often as costs little (default: auto on a terminal, else off)",
  ).choices(["auto", "steps", "off"]);
}

function serverOption(): Option {
  return new Option("--server <url>", "ask this server, with the token of HEARTH_SERVER_TOKEN");
}

function networkOption(): Option {
  return new Option("--network <policy>", "what machines reach outside; repository: what hearth.yml lists").choices([
    "closed",
    "repository",
    "open",
  ]);
}

/** Which server is told, and how it is said. */
function withServer(command: Command): Command {
  return command.option("--json", "as one JSON document").addOption(serverOption()).addOption(stateOption());
}

function mirrorOption(): Option {
  return new Option("--mirror <dir>", "repositories for actions, called workflows and checkouts: `<owner>/<name>.git`");
}

function concurrencyOption(what: string): Option {
  const description = `${what} at the same time (default: what memory and cores allow)`;
  return new Option("--concurrency <n>", description).argParser(parseCount);
}

function stateOption(): Option {
  return new Option("--state <directory>", "where runs are kept (default: the XDG state directory)");
}

interface DoctorOptions {
  readonly production?: boolean;
  readonly model?: boolean;
  readonly server?: string | true;
}

type LogsFlags = Pick<Flags, "state" | "server">;

const serveExamples = `
Examples:
  hearth init server --public-url https://ci.example.org
  node --env-file=server.env $(command -v hearth) serve
  REPOSITORY_PATH=/srv/git hearth serve               repositories of this host

Ctrl-C or SIGTERM lets what runs come to its end (HEARTH_DRAIN_SECONDS); a second one ends it at once.
Exit code: 0 stopped, 2 settings, 5 the disk failed, or another server runs there.`;

const runExamples = `
Examples:
  hearth run                                          every workflow that a push triggers
  hearth run .github/workflows/ci.yml --job test      one job and what it needs
  hearth run --event workflow_dispatch --input level=debug
  hearth run --matrix os:ubuntu-latest --matrix node:22
  hearth run --secret NPM_TOKEN --allow-host registry.npmjs.org
  hearth run --json | jq -r 'select(.type == "log") | .line'
  hearth run --watch .github/workflows/ci.yml         again after every change
  hearth run --failed                                 what failed last time
  hearth run --graph=svg > jobs.svg

Ctrl-C cancels; a second Ctrl-C ends everything at once.
Exit code: 0 success, 1 failure, 2 usage, 3 bad or unsupported workflow, 4 nothing ran, 5 machine trouble,
6 unsupported jobs left out, 130 cancelled.`;

const planExamples = `
Examples:
  hearth plan
  hearth plan .github/workflows/release.yml --event workflow_dispatch --input dry-run=true
  hearth plan --list
  hearth plan --graph .github/workflows/release.yml
  hearth plan --json | jq .totals`;

const lintExamples = `
Examples:
  hearth lint
  hearth lint .github/workflows/release.yml --strict
  hearth lint --sarif > hearth.sarif`;

const logsExamples = `
Examples:
  hearth logs                        the latest run
  hearth logs mh3k2 --job test --step 3
  hearth logs --job 'build (22)' | grep -i error
  hearth logs --summary
  hearth logs --network`;

const retryExamples = `
Examples:
  hearth retry                                  from the step that failed
  hearth retry mh3k2 --from 4
  hearth retry mh3k2 --from "Run tests" --job test`;

const diffExamples = `
Examples:
  hearth diff mh3k2 4                             what step 4 did
  hearth diff mh3k2 "Run tests" --content --path src
  hearth diff mh3k2 2 6 --job test                from before step 2 to before step 6
  hearth diff mh3k2 4 --json | jq -r '.files[].path'

Both checkpoints are restored beside each other (hearth run --checkpoint steps keeps them), without a network.`;

const checkpointsListExamples = `
Examples:
  hearth checkpoints list
  hearth checkpoints list mh3k2
  hearth checkpoints list --json | jq '.checkpoints[] | select(.job == "test") | .step'`;

const checkpointsRemoveExamples = `
Examples:
  hearth checkpoints rm mh3k2                        all of a run
  hearth checkpoints rm mh3k2 --job test --step 3    the one before a step
  hearth checkpoints rm --all`;

const shellExamples = `
Examples:
  hearth shell                                  a fresh machine, network closed
  hearth shell ubuntu-24.04 --provider gvisor --allow-host pypi.org
  hearth shell mh3k2                            where a run is now, with the environment of its next step
  hearth shell mh3k2 --job 'build (22)' --exec 'ps aux'
  echo 'make test' | hearth shell mh3k2         standard input that is no terminal is a script

The run goes on meanwhile, and what you change there its steps will find. What a shell prints is not masked:
a secret in the environment can be read.
Exit code: that of the shell or the command; else 2 usage or no such run, 5 machine trouble, 130 cancelled.`;

const cpExamples = `
Examples:
  hearth cp mh3k2:dist ./dist                   from the workspace
  hearth cp mh3k2:/var/log/app.log . --job test
  hearth cp mh3k2@4:dist ./dist                 as it was before step 4, of a run that kept it
  hearth cp fix.patch mh3k2:/tmp/

A relative PATH is in the job's workspace. What is copied in belongs to the runner.
Exit code: 0 copied, 1 refused, 2 usage or no such run, 5 machine trouble, 130 cancelled.`;

const completionExamples = `
Examples:
  hearth completion bash > ~/.local/share/bash-completion/completions/hearth
  hearth completion zsh > "\${fpath[1]}/_hearth"
  hearth completion fish > ~/.config/fish/completions/hearth.fish`;
