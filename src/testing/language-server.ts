import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** TypeScript's language server, as an editor speaks with it. */
export interface LanguageServer extends AsyncDisposable {
  /** What an editor shows when the mouse rests on the place: Markdown. */
  hover(file: string, text: string, position: number): Promise<string>
  /** Labels that an editor offers at the place. */
  complete(file: string, text: string, position: number): Promise<readonly string[]>
}

interface Answer {
  readonly id?: number
  readonly method?: string
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** @param root folder with a tsconfig.json */
export async function startLanguageServer(root: string): Promise<LanguageServer> {
  const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
  const child = spawn(process.execPath, [tsc, '--lsp', '--stdio'], { cwd: root, stdio: ['pipe', 'pipe', 'ignore'] })
  const pending = new Map<number, (answer: Answer) => void>()
  const opened = new Set<string>()
  let last = 0
  const send = (message: object) => {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message })
    child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  }
  const call = async <T>(method: string, params: object): Promise<T> => {
    const id = ++last
    const { promise, resolve } = Promise.withResolvers<Answer>()
    pending.set(id, resolve)
    send({ id, method, params })
    const { result, error } = await promise
    if (error) throw new Error(`${method}: ${error.message}`)
    return result as T
  }
  let rest = Buffer.alloc(0)
  child.stdout.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    for (let end = rest.indexOf('\r\n\r\n'); end >= 0; end = rest.indexOf('\r\n\r\n')) {
      const length = Number(/Content-Length: (\d+)/i.exec(rest.subarray(0, end).toString())![1])
      if (rest.length < end + 4 + length) return
      const message = JSON.parse(rest.subarray(end + 4, end + 4 + length).toString()) as Answer
      rest = rest.subarray(end + 4 + length)
      // The server asks too, for settings and progress: nothing is an answer.
      if (message.method !== undefined) {
        if (message.id !== undefined) send({ id: message.id, result: null })
      } else pending.get(message.id!)?.(message)
    }
  })
  const capabilities = { textDocument: { hover: { contentFormat: ['markdown'] } } }
  await call('initialize', { processId: process.pid, rootUri: pathToFileURL(root).href, capabilities })
  send({ method: 'initialized', params: {} })

  const at = (file: string, text: string, position: number) => {
    const uri = pathToFileURL(file).href
    if (!opened.has(file))
      send({ method: 'textDocument/didOpen', params: { textDocument: { uri, languageId: 'typescript', version: 1, text } } })
    opened.add(file)
    const before = text.slice(0, position).split('\n')
    return { textDocument: { uri }, position: { line: before.length - 1, character: before.at(-1)!.length } }
  }
  return {
    async hover(file, text, position) {
      const result = await call<{ contents: string | { value: string } } | null>('textDocument/hover', at(file, text, position))
      const contents = result?.contents ?? ''
      return typeof contents === 'string' ? contents : contents.value
    },
    async complete(file, text, position) {
      type Items = readonly { readonly label: string }[]
      const result = await call<Items | { readonly items: Items } | null>('textDocument/completion', at(file, text, position))
      return ('items' in (result ?? []) ? (result as { items: Items }).items : ((result ?? []) as Items)).map(({ label }) => label)
    },
    async [Symbol.asyncDispose]() {
      const closed = once(child, 'exit')
      child.kill()
      await closed
    },
  }
}
