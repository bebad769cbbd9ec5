import type { RunRecord, StepRecord, SuiteRecord } from '../report/model.ts'

const start = Date.UTC(2026, 0, 2, 3, 4, 5)

const step = (name: string, text: string, at: number, duration: number, state: StepRecord['state'] = 'done'): StepRecord => ({
  step: name,
  text,
  state,
  start: start + at,
  duration,
})

const orders: SuiteRecord = {
  id: '1_0',
  name: 'orders',
  file: '/shop/test/orders.test.ts',
  started: start,
  ended: start + 27_000,
  cluster: 'vk-abc123-orders-1234',
  ready: start + 18_000,
  finished: start + 24_000,
  failure: undefined,
  steps: [
    step('cluster', 'k3d cluster "vk-abc123-orders-1234"', 500, 9_500),
    step('image', 'build "./orders"', 500, 2_000),
    step('image', 'build "./inventory"', 1_500, 2_000),
    step('import', '2 images into the node', 10_000, 1_000),
    step('apply', '7 objects', 11_000, 200),
    step('seed', 'shop.sql into statefulset/postgres: 12 statements, 3000 rows', 13_000, 2_500),
    step('wait', '3 workloads ready', 11_200, 4_000),
    step('bridge', 'deployment/orders runs a stand-in', 11_000, 0, 'note'),
    step('teardown', 'cluster "vk-abc123-orders-1234"', 24_500, 1_500),
  ],
  pods: [
    {
      namespace: 'default',
      name: 'orders-5d8f-x2x4k',
      states: [
        { state: 'Pending', at: start + 11_200 },
        { state: 'ContainerCreating', at: start + 11_300 },
        { state: 'CrashLoopBackOff', at: start + 12_500 },
        { state: 'Ready', at: start + 15_000 },
      ],
      restarts: 1,
      end: undefined,
    },
    {
      namespace: 'default',
      name: 'postgres-0',
      states: [
        { state: 'Pending', at: start + 11_200 },
        { state: 'Running', at: start + 12_000 },
        { state: 'Ready', at: start + 13_000 },
      ],
      restarts: 0,
      end: undefined,
    },
  ],
  events: [
    { at: start + 11_200, type: 'Normal', object: 'pod/postgres-0', reason: 'Scheduled', message: 'assigned' },
    { at: start + 12_500, type: 'Warning', object: 'pod/orders-5d8f-x2x4k', reason: 'BackOff', message: 'Back-off restarting <container>' },
  ],
  bridges: [{ id: '1', workload: 'deployment/inventory', side: 'server', start: start + 18_100, end: start + 23_000 }],
  requests: [{ at: start + 19_000, workload: 'deployment/inventory', method: 'GET', url: '/stock/A-1' }],
  tests: [
    { name: 'takes stock', state: 'passed', start: start + 18_500, duration: 120, errors: [] },
    {
      name: 'refuses',
      state: 'failed',
      start: start + 19_000,
      duration: 4_000,
      errors: ['Error: expected 201 "Created", got 500\n    at orders.test.ts:12:5'],
    },
  ],
  dropped: 0,
  bundle: {
    folder: '/shop/.vitest/kubernetes/orders-test-orders',
    files: [
      { path: 'report.txt', text: 'Pods:\n  default/orders-5d8f-x2x4k  1/1 ready  Running  1 restart\n' },
      { path: 'logs/default/orders-5d8f-x2x4k/app.previous.log', text: 'no licence | exit 7\n' },
    ],
  },
}

const billing: SuiteRecord = {
  ...orders,
  id: '2_0',
  name: 'billing',
  file: '/shop/test/billing.test.ts',
  started: start + 30_000,
  ended: start + 39_000,
  cluster: undefined,
  ready: undefined,
  finished: undefined,
  failure: 'k3d could not create cluster "vk-abc123-billing-5678":\nno space left on device',
  steps: [step('cluster', 'k3d cluster "vk-abc123-billing-5678"', 30_000, 8_000, 'failed')],
  pods: [],
  events: [],
  bridges: [],
  requests: [],
  tests: [],
  bundle: undefined,
}

/** A run as the reporter knows it: one suite with a failing test, one whose set-up failed. */
export const exampleRun: RunRecord = { started: start, ended: start + 40_000, suites: [orders, billing] }
