import type { CommandDefinition } from './command.ts'

/** All commands, in the order of help. */
export const commands: Readonly<Record<string, CommandDefinition>> = {
  init: {
    summary: 'Set up a repository: config, a first suite, ignore files',
    args: { '[folder]': 'root of the repository (default: this folder)' },
    options: { '-y, --yes': 'write without asking', '--dry-run': 'only show what would be written' },
    examples: { init: 'look at the repository, show the changes, and ask', 'init --yes': 'the same without asking' },
    load: async () => (await import('./init/init.ts')).init,
  },
  doctor: {
    summary: 'Check what suites need from this machine, and say how to fix what is missing',
    examples: { doctor: 'check this machine', 'doctor --json': 'the same for scripts' },
    load: async () => (await import('./doctor.ts')).doctor,
  },
  list: {
    summary: 'List the clusters of all runs on this machine',
    examples: { list: 'all clusters, with their owners, ports and memory' },
    load: async () => (await import('./list.ts')).list,
  },
  logs: {
    summary: 'Show the logs of workloads and nodes of a cluster',
    args: {
      '[cluster]': 'part of its name, its suite, or its run; not needed if there is only one',
      '[workloads...]': 'kind/name, or node/server-0; all pods by default',
    },
    options: {
      '-n, --namespace <name>': 'namespace of the workloads (default: "default"; for all pods, all but kube-system)',
      '-c, --container <name>': 'one container (default: all)',
      '--tail <lines>': 'last lines of each log, or "all" (default: 50)',
      '-f, --follow': 'go on with what is printed from now on',
      '-p, --previous': 'logs from before the last restart',
      '--nodes': 'logs of all nodes',
    },
    examples: {
      'logs checkout': 'all pods in the cluster of suite "checkout"',
      'logs checkout deployment/orders -f': 'one workload, followed',
      'logs 81e9 node/server-0 --tail all': "part of a cluster's name; one node, from the start",
    },
    load: async () => (await import('./logs.ts')).logs,
  },
  report: {
    summary: 'Open the report of the last run in a browser',
    args: { '[folder]': 'folder of the reports (default: .vitest/kubernetes)' },
    options: { '--path': 'print the path of the page instead' },
    examples: { report: 'open it', 'report --path': 'print its path' },
    load: async () => (await import('./report.ts')).report,
  },
  images: {
    summary: 'Show the size, layers, biggest files and waste of images',
    args: { '[images...]': 'folders with a Dockerfile, or images' },
    options: {
      '--stack <file>': 'all images of the stacks that a file exports',
      '--files <number>': 'how many of the biggest files to show (default: 5)',
    },
    examples: { 'images ./orders': 'build a folder and look into it', 'images --stack stack.ts': 'all images of a stack' },
    load: async () => (await import('./images.ts')).images,
  },
  templates: {
    summary: 'List the templates that clusters are forked from, or remove them',
    args: { '[templates...]': 'keys, or suites (default: all)' },
    options: { '--remove': 'remove them; clusters that were forked from them go on' },
    examples: {
      templates: 'all templates, with their sizes and last uses',
      'templates checkout --remove': 'remove those of suite "checkout"',
    },
    load: async () => (await import('./templates.ts')).templates,
  },
  prune: {
    summary: 'Remove what dead runs left behind',
    args: { '[runs...]': 'runs as `list` shows them (default: all dead ones)' },
    options: {
      '--all': 'kept clusters too, before their time is over',
      '--force': 'also the named runs whose process cannot be checked from here',
      '--dry-run': 'only show what would be removed',
    },
    examples: { 'prune --dry-run': 'show what would be removed', 'prune 1a2b3c --all': 'a run, with the clusters that it keeps' },
    load: async () => (await import('./prune.ts')).prune,
  },
}
