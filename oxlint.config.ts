import { type OxlintOverride, defineConfig } from 'oxlint'

/** The rooms of src, from top to bottom: each imports itself and what stands below it. */
const rooms = [
  'plugin',
  'suite',
  'cli',
  'client',
  'broker',
  'engine',
  'report',
  'bridge',
  'seed',
  'stack',
  'cluster',
  'kube',
  'docker',
  'support',
]

/** Rooms inside a room, likewise. */
const inner: Readonly<Record<string, readonly string[]>> = {
  bridge: ['side', 'junction', 'rules'],
  stack: ['charts', 'images', 'ready', 'manifests', 'tools'],
  cluster: ['ownership', 'network'],
}

/** Packages that one room hides from all others. */
const hidden: Readonly<Record<string, readonly string[]>> = {
  '@kubernetes/client-node': ['kube'],
  dockerode: ['docker'],
  testcontainers: ['docker'],
  vitest: ['suite', 'plugin'],
  'vitest/node': ['plugin'],
}

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'import', 'oxc', 'promise', 'vitest'],
  categories: { correctness: 'error', suspicious: 'error' },
  options: { typeAware: true },
  rules: {
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'typescript/no-floating-promises': 'error',
    'typescript/await-thenable': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/no-misused-promises': ['error', { checksVoidReturn: false }],
    'typescript/no-explicit-any': 'error',
    'typescript/no-unsafe-type-assertion': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'unicorn/prefer-add-event-listener': 'off',
    'unicorn/no-useless-spread': 'off',
    'no-shadow': 'off',
    'oxc/no-this-in-exported-function': 'off',
    'unicorn/require-module-specifiers': 'off',
    'import/no-empty-named-blocks': 'off',
    'typescript/consistent-return': 'off',
    'no-empty-pattern': 'off',
    'typescript/no-misused-spread': 'off',
    'no-await-in-loop': 'off',
    'vitest/no-standalone-expect': 'off',
    'vitest/expect-expect': 'off',
    'vitest/valid-expect': ['error', { maxArgs: 2 }],
    'no-underscore-dangle': 'off',
    'no-unmodified-loop-condition': 'off',
    'import/no-named-as-default-member': 'off',
  },
  ignorePatterns: ['dist'],
  overrides: [
    ...rooms.map((room) => importsOf(`src/${room}/**/*.ts`, above(rooms, room), room)),
    // The later of two entries wins, so this one repeats what its room forbids.
    ...Object.entries(inner).flatMap(([room, folders]) =>
      folders.map((folder) => importsOf(`src/${room}/${folder}/**/*.ts`, [...above(rooms, room), ...above(folders, folder)], room)),
    ),
    {
      files: ['**/*.test.ts', '**/*.test-d.ts', 'src/testing/**/*.ts'],
      rules: { 'no-restricted-imports': 'off', 'typescript/unbound-method': 'off' },
    },
  ],
})

function above(folders: readonly string[], folder: string): readonly string[] {
  return folders.slice(0, folders.indexOf(folder))
}

/** Forbids files to import folders above them, and packages that are not theirs. */
function importsOf(files: string, above: readonly string[], room: string): OxlintOverride {
  const message = `Imports go down: ${[rooms, ...Object.values(inner)].map((each) => each.join(' > ')).join('; ')}.`
  const patterns = above.map((folder) => ({ group: [`**/${folder}/**`], message }))
  const paths = Object.entries(hidden)
    .filter(([, owners]) => !owners.includes(room))
    .map(([name, owners]) => ({ name, message: `Only src/${owners.join(' and src/')} may import this.` }))
  return { files: [files], rules: { 'no-restricted-imports': ['error', { patterns, paths }] } }
}
