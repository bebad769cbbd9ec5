import { Duplex } from 'node:stream'

import { ClusterTestError, messageOf } from '../support/errors.ts'
import { Exec } from './client-node.ts'
import type { KubeClient } from './client.ts'
import { type ExecTarget, endingWith } from './exec.ts'

/** Of the protocol `v5.channel.k8s.io` (Kubernetes 1.30, KEP-4006): the first byte of each message says what it is of. */
const channels = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 }

/**
 * Runs a command in a container, and resolves to its standard input and output as one stream, which ends with the command. What it says on
 * standard error becomes the message of the stream's error.
 * @throws ClusterTestError `ERR_KUBE_EXEC_FAILED` when it cannot be started
 */
export async function openExecStream(
  client: KubeClient,
  { namespace, pod, container }: ExecTarget,
  command: readonly string[],
  signal: AbortSignal,
): Promise<Duplex> {
  const query = new URLSearchParams({ container, stdin: 'true', stdout: 'true', stderr: 'true' })
  for (const word of command) query.append('command', word)
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec?${query}`
  const fail = (why: string, cause?: unknown) =>
    new ClusterTestError('ERR_KUBE_EXEC_FAILED', `Command "${command.join(' ')}" in pod "${pod}" ${why}`, { cause })
  let said = ''
  let isPaused = false
  const stream = new Duplex({
    read: () => {
      if (isPaused) socket.resume()
      isPaused = false
    },
    write: (chunk: Buffer, _encoding, done) => send(channels.stdin, chunk, done),
    final: (done) => send(channels.close, Buffer.of(channels.stdin), done),
    destroy(error, done) {
      // Without ws' farewell, which holds the process up for 30 s where nobody answers it.
      socket.terminate()
      done(error)
    },
  })
  const take = (channel: number, bytes: Buffer): boolean => {
    if (channel === channels.stdout && !stream.push(bytes)) {
      isPaused = true
      socket.pause()
    }
    if (channel === channels.stderr) said = (said + bytes.toString()).slice(-2_000)
    if (channel === channels.status) end(bytes)
    return true
  }
  const end = (bytes: Buffer) => {
    const { status, message = 'no reason given' } = JSON.parse(bytes.toString()) as { status?: string; message?: string }
    if (status === 'Success') stream.push(null)
    else stream.destroy(fail(`ended: ${message}${said && ` (${said.trim()})`}.`))
  }
  signal.throwIfAborted()
  // What it is made of is ws' own socket in Node.js; client-node tells the type of a browser's.
  type Socket = WebSocket & { pause(): void; resume(): void; terminate(): void; send(data: Buffer, done: (error?: Error) => void): void }
  let socket: Socket
  try {
    const { handler } = new Exec(endingWith(client.config, signal)) as unknown as {
      handler: { connect(path: string, onText: null, onBinary: typeof take): Promise<Socket> }
    }
    socket = await handler.connect(path, null, take)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw fail(`could not be started: ${(error as { message?: string }).message ?? messageOf(error)}.`, error)
  }
  socket.onclose = () => void (stream.readableEnded || stream.destroy())
  const send = (channel: number, bytes: Buffer, done: (error?: Error | null) => void) =>
    socket.send(Buffer.concat([Buffer.of(channel), bytes]), done)
  return stream
}
