import { defineConfig } from 'vitest/config'

import { kubernetes } from './src/plugin/plugin.ts'

const traffic = ['bridge', 'disturbance', 'match', 'protocols'].map((name) => `src/bridge/${name}.cluster.test.ts`)

export default defineConfig({
  plugins: [kubernetes()],
  resolve: { alias: [{ find: /^vitest-kubernetes$/, replacement: new URL('./src/index.ts', import.meta.url).pathname }] },
  test: {
    // Suites wait most of their time: for nodes, pods and images.
    maxWorkers: 2,
    // The machine may be busy.
    expect: { poll: { timeout: 10_000, interval: 50 } },
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'scripts/**/*.test.ts'],
          exclude: ['**/*.cluster.test.ts'],
          // They take milliseconds, but the machine may be busy.
          testTimeout: 30_000,
          typecheck: { enabled: false },
        },
      },
      {
        test: {
          name: 'traffic',
          include: traffic,
          // One after the other: they make as much traffic as there can be, and look at what becomes of each request.
          maxWorkers: 1,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['src/**/*.cluster.test.ts'],
          exclude: traffic,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: { name: 'shop', include: ['examples/shop/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000, sequence: { groupOrder: 2 } },
      },
      { test: { name: 'stack', include: ['examples/stack/**/*.test.ts'], testTimeout: 60_000, sequence: { groupOrder: 2 } } },
      {
        test: {
          name: 'getting-started',
          include: ['examples/getting-started/*.test.ts'],
          testTimeout: 60_000,
          sequence: { groupOrder: 2 },
        },
      },
      { test: { name: 'slim-images', include: ['examples/slim-images/*.test.ts'], testTimeout: 60_000, sequence: { groupOrder: 2 } } },
      { test: { name: 'quickstart', include: ['examples/quickstart/**/*.test.ts'], testTimeout: 60_000, sequence: { groupOrder: 2 } } },
    ],
  },
})
