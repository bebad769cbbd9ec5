import { relative } from 'node:path'

import { expect, test } from 'vitest'

import { exampleRun } from '../testing/example-run.ts'
import { annotations, stepSummary } from './github.ts'

const fromRoot = (path: string) => relative('/shop', path)

test('annotates each suite that failed at its file, with the cause and where the state of its cluster is', () => {
  expect(annotations(exampleRun, fromRoot)).toMatchInlineSnapshot(`
    [
      "::error file=test/orders.test.ts,title=Kubernetes suite "orders" failed::refuses: Error: expected 201 "Created", got 500%0AState of its cluster: .vitest/kubernetes/orders-test-orders",
      "::error file=test/billing.test.ts,title=Kubernetes suite "billing" failed::k3d could not create cluster "vk-abc123-billing-5678":%0Ano space left on device",
    ]
  `)
})

test('sums the run up in Markdown', () => {
  expect(stepSummary(exampleRun, fromRoot)).toMatchInlineSnapshot(`
    "### Kubernetes suites

    |  | suite | queue | create | image | import | apply | wait | seed | tests | teardown | total |
    |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
    | ❌ | orders | 0.5 s | 9.5 s | 3.0 s | 1.0 s | 0.2 s | 4.0 s | 2.5 s | 6.0 s | 1.5 s | 27.0 s |
    | ❌ | billing | 0.0 s | 8.0 s |  |  |  |  |  |  |  | 9.0 s |

    <details><summary><b>orders</b></summary>

    \`\`\`text
    refuses: Error: expected 201 "Created", got 500

    Pods:
      default/orders-5d8f-x2x4k  1/1 ready  Running  1 restart

    \`\`\`

    Everything else: \`.vitest/kubernetes/orders-test-orders\`

    </details>

    <details><summary><b>billing</b></summary>

    \`\`\`text
    k3d could not create cluster "vk-abc123-billing-5678":
    no space left on device
    \`\`\`

    </details>

    "
  `)
})

test('nothing in a report can end its block, or become markup', () => {
  const [orders] = exampleRun.suites
  const text = stepSummary({ ...exampleRun, suites: [{ ...orders!, name: 'a | <b>', failure: '```\n</details>' }] }, fromRoot)
  expect(text).toContain(String.raw`| ❌ | a \| &lt;b&gt; |`)
  expect(text).toContain('````text\n```\n</details>')
})
