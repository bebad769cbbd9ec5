import { type PlacedText, createPlacedText } from './placed-text.ts'

/** As a URL, a form or HTML has them, also twice and more often. */
const encoded = /((?:%(?:25)*[0-9a-f]{2})+)|&(?:amp;)*(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi

/** Decodes what is written for URLs and HTML. Without places when there is no such thing. */
export function decodeText(text: string): Pick<PlacedText, 'text'> & Partial<PlacedText> {
  const matches = [...text.matchAll(encoded)]
  if (matches.length === 0) return { text }
  const decoded = createPlacedText(text.length)
  let done = 0
  const copy = (end: number) => {
    for (; done < end; done++) decoded.push(text.charCodeAt(done), done, done + 1)
  }
  for (const { 0: whole, 1: percents, 2: name, 3: decimal, 4: hex, index } of matches) {
    copy(index)
    done += whole.length
    const push = (character: string, start: number, end: number) => {
      for (let unit = 0; unit < character.length; unit++) decoded.push(character.charCodeAt(unit), start, end)
    }
    if (percents === undefined) push(named[name?.toLowerCase() ?? ''] ?? fromCode(decimal, hex), index, done)
    else for (const [character, start, end] of decodePercents(percents)) push(character, index + start, index + end)
  }
  copy(text.length)
  return decoded.done()
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: `'` }

function fromCode(decimal: string | undefined, hex: string | undefined): string {
  const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal)
  return code > 0x10_ffff ? '\u{fffd}' : String.fromCodePoint(code)
}

function* decodePercents(text: string): Generator<readonly [character: string, start: number, end: number]> {
  const tokens = text.match(/%(?:25)*[0-9a-f]{2}/gi)!
  const bytes = Uint8Array.from(tokens, (token) => Number.parseInt(token.slice(-2), 16))
  let [start, token] = [0, 0]
  for (const character of new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)) {
    let end = start
    // A byte that is no UTF-8 becomes U+FFFD.
    const count = character === '\u{fffd}' ? 1 : Buffer.byteLength(character)
    for (let index = 0; index < count && token < tokens.length; index++) end += tokens[token++]!.length
    yield [character, start, end]
    start = end
  }
}
