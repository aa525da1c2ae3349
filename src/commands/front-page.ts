/**
 * What `hearth --help` prints, as text: the one thing that everybody types first should not have to load a parser. A test
 * compares it with what the program's definitions say.
 */
export const frontPage = `Usage: hearth [options] [command]

Runs GitHub Actions workflows on machines you own, each workflow in a machine of
its own.

Options:
  -V, --version                           print the version
  -h, --help                              show help

Commands:
  run [options] [workflow or directory]   run workflows: those in .github/workflows that the event triggers, or the one named
  plan [options] [workflow or directory]  show what would run, and how each step would; runs nothing
  lint [options] [workflow or directory]  show what in workflows lets others do more than was meant; runs nothing
  runs [options]                          list the runs that are kept, newest first; \`prune\` removes old ones
  logs [options] [run]                    show what a run printed
  lock [options] [workflow or directory]  pin every action and workflow of other repositories to its commit, in .hearth/lock.yml
  actions                                 keep actions of other repositories on this host, for runs without a network
  caches                                  list and remove what workflows have cached
  artifacts                               list and download what the jobs of a run have uploaded
  oidc                                    the keys that identity tokens of this host are checked by
  image                                   build, list and remove the images that machines start from
  tools                                   add, list and remove what setup-node, -python and -go find offline
  setup                                   install what this host lacks: for the best provider it can use, or the one named
  doctor [options]                        tell what this host can do, with the fix for what it cannot, and every setting
  completion <shell>                      print a completion script
  help [command]                          show help for a command
`;
