import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

const guard = new URL('guard.ts', import.meta.url).href
const context = new URL('../support/suite-context.ts', import.meta.url).href

/** A process that is guarded, as vitest's main process is. */
function run(script: string): Promise<{ readonly exitCode: number; readonly output: string }> {
  const start = `
    import { createServer, connect } from 'node:net'
    import { guardRun } from '${guard}'
    import { runForSuite } from '${context}'
    const own = guardRun((error) => console.log('guarded:', error.message))
  `
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--input-type=module', '-e', start + script], (_, stdout, stderr) =>
      resolve({ exitCode: child.exitCode!, output: stdout + stderr }),
    )
  })
}

test('what is done for a suite ends nothing, wherever it fails', async () => {
  const { exitCode, output } = await run(`
    runForSuite(() => {
      void (async () => { throw new Error('rejected') })()
      setTimeout(() => { throw new Error('thrown in a timer') }, 1)
      const server = createServer((socket) => void (async () => { throw new Error('rejected for a caller') })().finally(() => socket.destroy()))
      server.listen(0, () => connect(server.address().port).on('close', () => { server.close(); throw new Error('thrown in an event') }))
    })
    setTimeout(() => console.log('goes on'), 200)
  `)
  expect(output.trim().split('\n').toSorted()).toEqual([
    'goes on',
    'guarded: rejected',
    'guarded: rejected for a caller',
    'guarded: thrown in a timer',
    'guarded: thrown in an event',
  ])
  expect(exitCode).toBe(0)
})

test('so it is when this package is all that the error passed through', async () => {
  const { output } = await run(`
    const error = new Error('of this package')
    error.stack += '\\n    at accept (${fileURLToPath(new URL('../bridge/bridge.ts', import.meta.url))}:1:1)'
    setTimeout(() => { throw error }, 1)
    setTimeout(() => console.log('goes on'), 50)
  `)
  expect(output).toBe('guarded: of this package\ngoes on\n')
})

test('what others fail at goes where it went, and ends the process where nobody listens', async () => {
  const rejected = await run(`Promise.reject(new Error('of others')); setTimeout(() => console.log('goes on'), 50)`)
  expect(rejected).toMatchObject({ exitCode: 1, output: expect.stringMatching(/^(?!.*goes on)[^]*Error: of others/) as unknown })
  const thrown = await run(`setTimeout(() => { throw new Error('of others') }); setTimeout(() => console.log('goes on'), 50)`)
  expect(thrown).toMatchObject({ exitCode: 1, output: expect.stringMatching(/^(?!.*goes on)[^]*Error: of others/) as unknown })
  const heard = await run(`
    own[Symbol.dispose]()
    process.on('unhandledRejection', (error) => console.log('heard:', error.message))
    guardRun(() => console.log('guarded'))
    Promise.reject(new Error('of others'))
  `)
  expect(heard).toEqual({ exitCode: 0, output: 'heard: of others\n' })
})
