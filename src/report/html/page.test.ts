import { expect, test } from 'vitest'

import { exampleRun } from '../../testing/example-run.ts'
import { renderPage } from './page.ts'
import { phaseOf } from './suite.ts'

test('holds everything that it needs, and asks for nothing', () => {
  const page = renderPage(exampleRun, String)
  expect(page).toContain(`default-src 'none'`)
  expect(page).not.toMatch(/\b(?:src|srcset)=|url\(|@import|<link/)
})

test('escapes what comes from a cluster or a test', () => {
  expect(renderPage(exampleRun, String)).toContain('BackOff: Back-off restarting &lt;container&gt;')
  const [orders] = exampleRun.suites
  const page = renderPage({ ...exampleRun, suites: [{ ...orders!, name: '<script>alert(1)</script>' }] }, String)
  expect(page).not.toContain('<script>alert')
})

test.for([
  ['ContainerCreating', 'pending'],
  ['Init:PodInitializing', 'pending'],
  ['Running', 'running'],
  ['Ready', 'ready'],
  ['ImagePullBackOff', 'bad'],
  ['Init:Error', 'bad'],
  ['Evicted', 'bad'],
  ['Terminating', 'done'],
] as const)('%s is shown as %s', ([state, phase]) => {
  expect(phaseOf(state)).toBe(phase)
})
