/**
 * What `hearth --help` prints, as text: the one thing that everybody types first should not have to load a parser. A test
 * compares it with what the program's definitions say.
 */
export const frontPage = `Usage: hearth [options] [command]

Runs GitHub Actions workflows on machines you own, each workflow in a machine of
its own.

Options:
  -V, --version                                print the version
  -h, --help                                   show help

Commands:
  run [options] [workflow or directory]        run workflows: those in .github/workflows that the event triggers, or the one named
  retry [options] [run]                        run on from a step of a kept run, with the workflow as it is now (docs/time-travel.md)
  shell [options] [image or run]               a shell in a fresh machine, or in the machine of a run that is going on
  cp [options] <from> <to>                     copy a file or a directory out of the machine of a run that is going on, or into it
  continue [options] [run]                     let a run that waits at a failed step go on (hearth run --pause-on-failure)
  abort [options] [run]                        cancel the job that waits at a failed step
  rewind [options] [run]                       a shell, or a command, in a machine as it was before a step of a kept run
  fork [options] [run]                         several machines from one moment of a kept run: a command in each, or open until Ctrl-C
  diff [options] <run> <step> [step]           what a step of a kept run did: files, environment, outputs, processes, ports, network
  flake [options] [run]                        run one step of a kept run again and again from the same state: does it always fail?
  plan [options] [workflow or directory]       show what would run, and how each step would; runs nothing
  lint [options] [workflow or directory]       show what in workflows lets others do more than was meant; runs nothing
  runs [options]                               list the runs that are kept, newest first; \`prune\` removes old ones
  logs [options] [run]                         show what a run printed
  serve [options]                              be a server: take webhooks, run what they start, tell GitHub (docs/server.md)
  cancel [options] <run>                       cancel a run of a server
  rerun [options] <run>                        run a completed run of a server again, at the same commit
  approve [options] <run>                      let a run of an outsider start on a server
  dispatch [options] <name>                    start a workflow that has workflow_dispatch on a server
  post-receive [options] <owner/name>          tell the server of this host of a push: what the hook of a bare repository calls
  api-token                                    add, list and remove tokens for the API of the server
  backup [options] <file>                      save runs, artifacts and the server's database in a file; safe while a server runs
  restore [options] <file>                     put back what was saved; refuses over a server that runs
  init                                         write what one begins with
  lock [options] [workflow or directory]       pin every action and workflow of other repositories to its commit, in .hearth/lock.yml
  translate [options] [workflow or directory]  show the steps that stand for actions that cannot run here, as a change of .hearth/lock.yml
  actions                                      keep actions of other repositories on this host, for runs without a network
  checkpoints                                  list and remove the moments of runs that are kept to go on from
  caches                                       list and remove what workflows have cached
  artifacts                                    list and download what the jobs of a run have uploaded
  secret                                       set, list and remove what the server's runs read as secrets: kept encrypted on this host
  variable                                     set, list and remove what the server's runs read as vars
  oidc                                         the keys that identity tokens of this host are checked by
  machines                                     list the machines of this host, end what was left behind
  image                                        build, list and remove the images that machines start from
  tools                                        add, list and remove what setup-node, -python and -go find offline
  setup                                        install what this host lacks: for the best provider it can use, or the one named
  doctor [options]                             tell what this host can do, with the fix for what it cannot, and every setting
  completion <shell>                           print a completion script
  help [command]                               show help for a command
`;
