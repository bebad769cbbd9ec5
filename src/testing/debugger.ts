import { setTimeout as sleep } from 'node:timers/promises'

/** What an editor has of a program that it debugs, by the protocol of V8's inspector. */
export interface Debugger extends Disposable {
  /** Sets a breakpoint where the text is in a script that has loaded, or will. */
  breakAt(script: RegExp, line: number): Promise<void>
  /** Resolves when the program stands at a breakpoint, to the names of what it is in, innermost first. */
  paused(): Promise<readonly string[]>
  resume(): Promise<void>
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly callFrames: readonly { readonly functionName: string }[] }
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** Attaches to a program that was started with `--inspect`, as soon as it listens. */
export async function attachDebugger(host: string, port: number): Promise<Debugger> {
  const socket = new WebSocket(await findTarget(`http://${host}:${port}/json/list`))
  const answers = new Map<number, (message: Message) => void>()
  let stop = Promise.withResolvers<readonly string[]>()
  let last = 0
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as Message
    if (message.id !== undefined) answers.get(message.id)?.(message)
    if (message.method === 'Debugger.paused') stop.resolve(message.params!.callFrames.map(({ functionName }) => functionName))
  })
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', () => reject(new Error(`Nothing to debug at ${host}:${port}.`)))
  })
  const send = async (method: string, params: object = {}) => {
    const id = ++last
    const answered = new Promise<Message>((resolve) => answers.set(id, resolve))
    socket.send(JSON.stringify({ id, method, params }))
    const { error } = await answered
    if (error) throw new Error(`${method}: ${error.message}`)
  }
  await send('Debugger.enable')
  await send('Runtime.runIfWaitingForDebugger')
  return {
    breakAt: ({ source }, line) => send('Debugger.setBreakpointByUrl', { urlRegex: source, lineNumber: line - 1 }),
    paused: () => stop.promise,
    async resume() {
      stop = Promise.withResolvers()
      await send('Debugger.resume')
    },
    [Symbol.dispose]: () => socket.close(),
  }
}

async function findTarget(url: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      const [target] = (await (await fetch(url)).json()) as { webSocketDebuggerUrl: string }[]
      if (target) return target.webSocketDebuggerUrl
    } catch (error) {
      if (attempt > 100) throw error
    }
    await sleep(100)
  }
}
