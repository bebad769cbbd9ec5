import { decodeText } from './decode-text.ts'
import { type PlacedText, createPlacedText } from './placed-text.ts'

/**
 * Undoes what happens to a value on its way into a log: escapes of URLs, HTML and JSON (at any depth) are decoded, repeated
 * quotes and backslashes count once, and white space of any kind and length is one space.
 * @param isLoose leaves white space, quotes and backslashes out, so that it does not matter where a long value is folded
 */
export function foldText(original: string, isLoose: boolean): PlacedText {
  const { text, starts, ends } = decodeText(original)
  const folded = createPlacedText(text.length)
  const push = (unit: number, from: number, to: number) => {
    const kind = unit < kinds.length ? kinds[unit]! : 0
    if (kind !== 0 && isLoose) return
    const same = kind === space ? 32 : unit
    if (kind !== 0 && folded.last() === same) return
    folded.push(same, starts ? starts[from]! : from, ends ? ends[to - 1]! : to)
  }
  for (let index = 0; index < text.length;) {
    const unit = text.charCodeAt(index)
    if (unit === backslash) {
      escapes.lastIndex = index
      const [whole, unicode, byte, escaped] = escapes.exec(text)!
      push(unescape(unicode ?? byte, escaped), index, index + whole.length)
      index += whole.length
    } else push(unit, index, ++index)
  }
  return folded.done()
}

/** The same without places. */
export function foldWord(word: string, isLoose: boolean): string {
  return /[\s+"'`\\%&]/.test(word) ? foldText(word, isLoose).text : word
}

const [space, mark] = [1, 2]
/** What counts once, and not at all where the comparison is loose. In a form `+` is a space. */
const kinds = new Uint8Array(128)
for (const each of '\t\n\v\f\r +') kinds[each.charCodeAt(0)] = space
for (const each of `"'\`\\`) kinds[each.charCodeAt(0)] = mark

const backslash = 92
/** JSON within JSON has two, four or more where there was one. */
const escapes = /\\+(?:u([0-9a-f]{4})|x([0-9a-f]{2})|([nrt\n\r"'`/]))?/iy

function unescape(code: string | undefined, escaped: string | undefined): number {
  if (code !== undefined) return Number.parseInt(code, 16)
  if (escaped === undefined) return backslash
  return /[nrt\n\r]/i.test(escaped) ? 32 : escaped.charCodeAt(0)
}
