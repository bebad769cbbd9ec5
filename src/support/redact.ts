import { createWordFinder, shortest } from './find-words.ts'
import { foldText, foldWord } from './fold-text.ts'
import { secretForms } from './secret-forms.ts'

/** Takes every secret out of a text. */
export type Redact = (text: string) => string

/** Takes the secrets out that it has been told. */
export interface Redactor {
  readonly add: (secrets: Iterable<string>) => void
  readonly redact: Redact
}

const mask = '[redacted]'

/** Words that say nothing, whoever keeps them secret. */
const plain = new Set(['true', 'false', 'null', 'none', 'default', 'localhost', 'value', 'secret', 'password', 'example'])
/** From so many characters on it does not matter where a secret is folded; shorter ones would be found across words. */
const longFrom = 16

/**
 * Redaction by value: each secret however it is quoted, escaped, encoded or folded, and long ones in part. The time it takes
 * grows with the text, not with the secrets.
 * @param isPublic for values that are known anyway, such as the name of an object that is also a user's name
 */
export function createRedactor(isPublic: (value: string) => boolean = () => false): Redactor {
  const known = new Set<string>()
  const [short, long] = [createWordFinder(), createWordFinder()]

  const add = (secret: string) => {
    if (known.has(secret)) return
    known.add(secret)
    for (const { text, value } of secretForms(secret)) {
      if (plain.has(value.trim().toLowerCase()) || value.trim().length < shortest) continue
      const loose = foldWord(text, true)
      if (loose.length >= longFrom) long.add(loose, value)
      else short.add(foldWord(text.replace(/\\+$/, ''), false).trim(), value)
    }
  }

  return {
    add(secrets) {
      for (const secret of secrets) add(secret)
    },
    redact(text) {
      const ranges: Range[] = []
      for (const [finder, isLoose] of [
        [short, false],
        [long, true],
      ] as const) {
        if (finder.size === 0) continue
        const { text: folded, starts, ends } = foldText(text, isLoose)
        finder.find(folded, (start, end, value) => {
          if (!isPublic(value)) ranges.push([starts[start]!, ends[end - 1]!])
        })
      }
      return ranges.length > 0 ? replaceRanges(text, ranges) : text
    },
  }
}

/** For secrets that are all known. */
export function createRedact(secrets: Iterable<string>, isPublic?: (value: string) => boolean): Redact {
  const { add, redact } = createRedactor(isPublic)
  add(secrets)
  return redact
}

type Range = readonly [start: number, end: number]

/** One secret may be a part of another, or begin where another ends. */
function replaceRanges(text: string, ranges: Range[]): string {
  const parts: string[] = []
  let done = 0
  let isOpen = false
  for (const [start, end] of ranges.toSorted((a, b) => a[0] - b[0])) {
    if (start > done || !isOpen) parts.push(text.slice(done, start), mask)
    isOpen = true
    done = Math.max(done, end)
  }
  parts.push(text.slice(done))
  return parts.join('')
}
