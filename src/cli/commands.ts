import type { CommandDefinition } from './command.ts'

const ofStack = { '-s, --stack <name>': 'which stack (default: the only one of this repository that is up)' }

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
    summary: 'Check what suites need from this machine or a cluster, and say how to fix what is missing',
    options: {
      '--kubeconfig <file>': 'check an existing cluster, in place of this machine',
      '--context <name>': 'which context of it',
      '--namespaces <names...>': 'those that suites are to use: it-1, or it-{1..8}',
    },
    examples: {
      doctor: 'check this machine',
      'doctor --json': 'the same for scripts',
      'doctor --kubeconfig ~/.kube/config --context staging --namespaces "it-{1..8}"': 'check a cluster; nothing is changed there',
    },
    load: async () => (await import('./doctor.ts')).doctor,
  },
  rbac: {
    summary: 'Print what an administrator applies once, for suites in an existing cluster',
    args: { '<namespaces...>': 'those that suites are to use: it-1, or it-{1..8}' },
    options: {
      '--subject <subjects...>': 'who may run suites: group:devs, user:ann, serviceaccount:ci/runner',
      '--pod-security <level>': 'what pods there may do: privileged, baseline or restricted (default: as the cluster has it)',
    },
    examples: {
      'rbac "it-{1..8}" --subject group:devs | kubectl apply -f -': 'eight namespaces for a team',
    },
    load: async () => (await import('./rbac.ts')).rbac,
  },
  up: {
    summary: 'Bring a stack up, or up to date; it stays until you take it down',
    args: { '[stack]': 'its name, or its file; not needed if there is only one' },
    options: { '--recreate': 'make one that is up anew, with its data' },
    examples: { 'up shop': 'what shop.stack.ts exports as `shop`', 'up --recreate': 'the only stack, as new' },
    load: async () => (await import('./stack/up.ts')).up,
  },
  down: {
    summary: 'Take a stack down, with its data',
    args: { '[stack]': 'its name; not needed if only one is up' },
    options: { '--all': 'all stacks on this machine' },
    examples: { down: 'the only stack of this repository that is up', 'down --all': 'all stacks, of all repositories' },
    load: async () => (await import('./stack/down.ts')).down,
  },
  dev: {
    summary: 'Bring a stack up unless it is, and run a command beside it',
    args: { '[stack]': 'its name, or its file; not needed if there is only one' },
    options: {
      '-b, --bridge <workload=port...>': 'answer the traffic of workloads by what listens on ports of this machine',
      '-l, --logs <workloads...>': 'show their logs',
      '-w, --watch': 'build and apply what changes on disk',
    },
    examples: {
      'dev shop -- npm run dev': 'with ORDERS_URL, DB_URL, … in its environment',
      'dev -b deployment/web=5173 -- vite': "the cluster's own URL shows what the dev server has",
    },
    load: async () => (await import('./stack/dev.ts')).dev,
  },
  bridge: {
    summary: 'Answer the traffic of a workload on this machine',
    args: { '<workload>': 'kind/name, also service/name' },
    options: {
      ...ofStack,
      '-p, --port <ports>': 'where the program listens: 3000, or with ports of the pods http:3000,9090:3001',
      '--header <name=value>': 'only requests with this header',
      '--path <pattern>': 'only requests for this path, such as /api/*',
      '--mirror': 'copies only: the pods answer',
      '-n, --namespace <name>': 'namespace of the workload (default: "default")',
      '-c, --container <name>': 'which container it replaces (default: the annotated one, or the only one with ports)',
    },
    examples: {
      'bridge deployment/orders --port 3000': 'to what listens already, such as a program in a debugger',
      'bridge deployment/orders -p 3000 -- node --watch server.ts': 'to a command, with the environment and files of its container',
    },
    load: async () => (await import('./stack/bridge.ts')).bridge,
  },
  url: {
    summary: 'Print the URL of a Service, Ingress or HTTPRoute',
    args: {
      '[service]': 'name, name.namespace, ingress/name, or httproute/name (default: all)',
      '[port]': "the Service's port, by number or name; a host of the Ingress or HTTPRoute",
    },
    options: { ...ofStack },
    examples: { 'url orders': 'for a browser', 'url db': 'with login and database, for a client' },
    load: async () => (await import('./stack/url.ts')).url,
  },
  env: {
    summary: 'Print the addresses and logins of a stack as variables',
    args: { '[workload]': 'kind/name: the environment of its container, with addresses of this machine' },
    options: { ...ofStack },
    examples: { 'env > .env': 'ORDERS_URL, DB_URL, DB_PASSWORD, …', 'env deployment/orders': 'what orders itself gets' },
    load: async () => (await import('./stack/env.ts')).env,
  },
  exec: {
    summary: 'Run a command in a pod of a stack',
    args: { '<workload>': 'kind/name, or a service of the stack' },
    options: {
      ...ofStack,
      '-n, --namespace <name>': 'namespace of the workload (default: "default")',
      '-c, --container <name>': 'which container (default: the annotated one, or the first)',
      '-i, --stdin': 'give it what comes on standard input',
      '-T, --no-tty': 'no terminal, also where there is one',
    },
    examples: {
      'exec db -- psql -c "select 1"': 'in a service',
      'exec deployment/orders -- sh': 'a shell, in your terminal',
      'exec deployment/orders -- env': 'in a workload',
      'exec db -i -- psql -U app shop < more.sql': 'with a file as its standard input',
    },
    load: async () => (await import('./stack/exec.ts')).exec,
  },
  reset: {
    summary: 'Put the data of a stack back to what was seeded',
    args: { '[stores...]': 'services or workloads (default: all)' },
    options: { ...ofStack },
    examples: { reset: 'all databases and caches', 'reset db': 'one of them' },
    load: async () => (await import('./stack/reset.ts')).reset,
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
      '-c, --container <name>': 'one container (default: all, init containers included)',
      '--tail <lines>': 'last lines of each log, or "all" (default: 50)',
      '-f, --follow': 'go on until interrupted; pods that start later are not followed',
      '-p, --previous': 'logs from before the last restart',
      '--nodes': 'logs of all nodes',
    },
    examples: {
      'logs checkout': 'all pods in the cluster of suite "checkout"',
      'logs checkout deployment/orders -f': 'one workload, followed',
      'logs 81e9 node/server-0 --tail all': "part of a cluster's name; one node, from the start",
      'logs pod/worker --previous': "the only cluster; the container's previous run",
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
    summary: 'List the templates that clusters are forked from, remove them, or take them to another machine',
    args: { '[templates...]': 'keys, or suites (default: all)' },
    options: {
      '--remove': 'remove them; clusters that were forked from them go on',
      '--export <folder>': 'write each to a file of its own, unless it is there; the files hold Secrets',
      '--import <paths...>': 'make templates of such files, or of all in a folder, unless they are there',
    },
    examples: {
      templates: 'all templates, with their sizes and last uses',
      'templates checkout --remove': 'remove those of suite "checkout"',
      'templates --export .vitest/templates': 'for the cache of a CI job',
      'templates --import .vitest/templates': 'from there',
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
