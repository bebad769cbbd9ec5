import { expect, test } from 'vitest'

import { buildCommand, excerpt, plainLines } from './build-failure.ts'

test('tells why npm failed, and not how it is used', () => {
  const usage = Array.from({ length: 30 }, (_, index) => `npm error   --option-${index}`)
  const cause = ['npm error code EUSAGE', 'npm error', 'npm error Missing: express@5 from lock file']
  const lines = excerpt(['Removing intermediate container', ...Array.from({ length: 40 }, () => 'added a package'), ...cause, ...usage])
  expect(lines).toHaveLength(20)
  expect(lines.slice(0, 3)).toEqual(cause)
  expect(lines.slice(-4)).toEqual(['…', ...usage.slice(-3)])
})

test('without a line that speaks of an error, the last ones tell most', () => {
  const lines = Array.from({ length: 50 }, (_, index) => `line ${index}`)
  expect(excerpt(lines)).toEqual(lines.slice(-20))
  expect(excerpt(['one'])).toEqual(['one'])
})

test('takes colours and progress bars apart', () => {
  expect(plainLines('\u001B[31mred\u001B[0m\r50 %\r100 %\r\n\n  x  \n')).toEqual(['red', '50 %', '100 %', '  x'])
})

test('gives the command that builds the same', () => {
  const options = {
    context: '/a b',
    dockerfile: '/a b/docker/test.Dockerfile',
    target: 'test',
    buildArgs: { TOKEN: 'secret' },
    network: 'host',
  }
  expect(buildCommand(options)).toBe("docker build -f '/a b/docker/test.Dockerfile' --target test --network host --build-arg TOKEN '/a b'")
})
