import { Wait } from 'testcontainers'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { parseSubstitutes, substituteImage } from '../stack/images/image-names.ts'
import { randomId } from '../support/identity.ts'
import type { GenericContainer } from './container-types.ts'
import { type Docker, connectDocker } from './docker.ts'
import { removeContainer } from './remove.ts'
import { startTestContainer, stopTestContainer } from './test-container.ts'

const image = substituteImage(parseSubstitutes(process.env['VITEST_KUBERNETES_IMAGES']), 'busybox:1.37')
const label = `vk-test-${randomId()}`
let docker: Docker
let holder: string

beforeAll(async () => {
  docker = await connectDocker()
  const container = await docker.engine.createContainer({ Image: image, Cmd: ['sleep', '3600'], Labels: { [label]: '' } })
  holder = container.id
  await container.start()
})

afterAll(async () => {
  for (const { Id } of await docker.engine.listContainers({ all: true, filters: { label: [label] } })) await removeContainer(docker, Id)
})

const start = (line: string, configure: (container: GenericContainer) => GenericContainer) =>
  startTestContainer({
    image,
    holder,
    env: {},
    labels: { [label]: '' },
    command: ['sh', '-c', line],
    mount: {},
    onCreated: async () => {},
    configure,
  })
const ready = (container: GenericContainer) => container.withStartupTimeout(60_000).withWaitStrategy(Wait.forLogMessage('all is ready'))

test('a container that ends without the line that is waited for fails at once, with its exit code and what it printed', async () => {
  const started = performance.now()
  await expect(start('echo something else; echo no licence >&2; exit 3', ready)).rejects.toThrow(
    /"all is ready" was not received; the container ended with exit code 3\.\n(?:something else\nno licence|no licence\nsomething else)$/,
  )
  expect(performance.now() - started).toBeLessThan(30_000)
})

test('one that runs on without it fails when its time is up, with what it printed', async () => {
  const brief = (container: GenericContainer) => ready(container).withStartupTimeout(1_500)
  await expect(start('echo something else; exec sleep 60', brief)).rejects.toThrow(
    'Log message "all is ready" not received after 1500ms; the container runs.\nsomething else',
  )
})

test.for([
  ['of a container that ends at once', 'echo all is ready'],
  ['that is written in two parts', 'printf "all is "; sleep 0.5; echo ready; sleep 60'],
  ['of standard error alone', 'echo all is ready >&2; sleep 60'],
] as const)('the line is seen %s', async ([, line]) => {
  const container = await start(line, ready)
  await stopTestContainer(container)
})
