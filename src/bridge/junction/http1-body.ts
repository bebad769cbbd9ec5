import type { Framing } from './http1-head.ts'

/** Finds the end of a body. */
export interface BodyReader {
  readonly isDone: boolean
  /**
   * How many of the bytes belong to the body.
   * @returns -1 where they cannot be what was told
   */
  take(bytes: Buffer): number
}

/** @param onContent told of what the body is made of, without what tells of its end */
export function createBodyReader(framing: Framing, onContent?: (bytes: Buffer) => void): BodyReader {
  if (framing === 'chunked') return createChunkReader(onContent)
  let left = framing === 'none' ? 0 : framing === 'until-end' ? Infinity : framing.length
  return {
    get isDone() {
      return left === 0
    },
    take(bytes) {
      const taken = Math.min(left, bytes.length)
      left -= taken
      onContent?.(bytes.subarray(0, taken))
      return taken
    },
  }
}

/** Of the lines around chunks: more than Node.js takes. */
const maxLineLength = 64 << 10

function createChunkReader(onContent: ((bytes: Buffer) => void) | undefined): BodyReader {
  let state: 'size' | 'content' | 'after' | 'trailer' | 'done' = 'size'
  let line = ''
  let left = 0
  let trailers = 0
  /** @returns whether the line can be what it has to be */
  const endLine = (): boolean => {
    const text = line
    line = ''
    if (state === 'after') {
      state = 'size'
      return text === ''
    }
    if (state === 'trailer') {
      trailers += text.length
      if (text === '') state = 'done'
      return trailers < 1 << 20
    }
    const size = /^([\da-f]{1,13})[ \t]*(?:;.*)?$/i.exec(text)?.[1]
    left = Number.parseInt(size ?? '', 16)
    state = left === 0 ? 'trailer' : 'content'
    return size !== undefined
  }
  const take = (bytes: Buffer): number => {
    let at = 0
    while (at < bytes.length && state !== 'done') {
      if (state === 'content') {
        const end = Math.min(bytes.length, at + left)
        onContent?.(bytes.subarray(at, end))
        left -= end - at
        at = end
        if (left === 0) state = 'after'
        continue
      }
      const lf = bytes.indexOf(10, at)
      line += bytes.toString('latin1', at, lf < 0 ? bytes.length : lf)
      at = lf < 0 ? bytes.length : lf + 1
      if (line.length > maxLineLength) return -1
      if (lf < 0) {
        if (state === 'after' && line !== '' && line !== '\r') return -1
        continue
      }
      // Some end a line where others do not.
      if (!line.endsWith('\r') || line.indexOf('\r') < line.length - 1) return -1
      line = line.slice(0, -1)
      if (!endLine()) return -1
    }
    return at
  }
  let isBroken = false
  return {
    get isDone() {
      return state === 'done'
    },
    take(bytes) {
      const taken = isBroken ? -1 : take(bytes)
      isBroken = taken < 0
      return taken
    },
  }
}
