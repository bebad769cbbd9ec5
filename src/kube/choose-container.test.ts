import { expect, test } from 'vitest'

import { chooseContainer } from './choose-container.ts'

const app = { name: 'app' }
const web = { name: 'web', ports: [{ containerPort: 80 }] }
const proxy = { name: 'proxy', ports: [{ containerPort: 15_001 }] }
const migrate = { name: 'migrate' }
type Container = typeof app & Partial<typeof web>
const annotations = { 'kubectl.kubernetes.io/default-container': 'web' }
const isLikely = ({ ports = [] }: Container) => ports.length > 0

const choose = (containers: readonly Container[], more: Partial<Parameters<typeof chooseContainer<Container>>[0]> = {}) =>
  chooseContainer({ containers, wanted: undefined, workload: 'deployment/shop', code: 'ERR_KUBE_NOT_FOUND', ...more }).name

test('the one that is named, init containers too', () => {
  expect(choose([app, web], { wanted: 'web' })).toBe('web')
  expect(choose([app, web], { wanted: 'migrate', initContainers: [migrate] })).toBe('migrate')
})

test('else the one that the annotation of kubectl names', () => {
  expect(choose([app, web, proxy], { annotations })).toBe('web')
  expect(choose([proxy, app, web], { annotations, isLikely })).toBe('web')
  expect(choose([app, proxy], { annotations, isLikely })).toBe('proxy')
})

test('else the only one, the only likely one, or the first', () => {
  expect(choose([app], { isLikely })).toBe('app')
  expect(choose([app, web], { isLikely })).toBe('web')
  expect(choose([app, web], { initContainers: [migrate] })).toBe('app')
})

test('else an error with those that there are', () => {
  expect(() => choose([app, web], { wanted: 'db', initContainers: [migrate] })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Workload "deployment/shop" has no container "db".
    Hint: It has "app", "web" and "migrate".]
  `)
  expect(() => choose([web, proxy], { isLikely })).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Workload "deployment/shop" has several containers, and nothing says which one is meant.
    Hint: Name it: "web" and "proxy". Or set the annotation "kubectl.kubernetes.io/default-container" of its pods.]
  `)
  expect(() => choose([app, migrate], { isLikely })).toThrow('nothing says which one is meant')
})
