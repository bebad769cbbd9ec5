/** Finds any number of words in a text, in time that grows with the text and not with the words. */
export interface WordFinder {
  readonly size: number
  /** @param source what is found stands for */
  add(word: string, source: string): void
  /** Calls `found` with each occurrence: they may overlap. */
  find(text: string, found: (start: number, end: number, source: string) => void): void
}

/** Words of less characters are not found. */
export const shortest = 4

/** Words are looked up by what they begin with: as many characters of it as all words of their length have. */
const windows = [4, 8, 16, 32] as const
/** Words from this length on are also found in parts: at each of their blocks, and as far as the text goes on like them. */
const longFrom = 256
const blockLength = 32
/** Of the places that a block has in long words: the others are found at their other blocks. */
const placesOfBlock = 8

interface Place {
  readonly word: string
  readonly at: number
  readonly source: string
}

export function createWordFinder(): WordFinder {
  const sources = new Map<string, string>()
  /** Lengths of the words with this beginning, for each window. */
  const lengths = windows.map(() => new Map<string, number[]>())
  const blocks = new Map<string, Place[]>()
  /** One bit for each window, and one for blocks, by a hash of four characters: most places in a text are passed over here. */
  const gates = new Uint8Array(1 << 21)
  const blockBit = 1 << windows.length

  const addBlocks = (word: string, source: string) => {
    const add = (at: number) => {
      const block = word.slice(at, at + blockLength)
      const places = blocks.get(block) ?? []
      if (places.length === 0) blocks.set(block, places)
      // What repeats itself within a word is found at its first place.
      if (places.length >= placesOfBlock || places.at(-1)?.word === word) return
      places.push({ word, at, source })
      gates[hash(word, at)]! |= blockBit
    }
    for (let at = 0; at + blockLength <= word.length; at += blockLength) add(at)
    add(word.length - blockLength)
  }

  return {
    get size() {
      return sources.size
    },
    add(word, source) {
      if (word.length < shortest || sources.has(word)) return
      sources.set(word, source)
      if (word.length >= longFrom) return addBlocks(word, source)
      const window = windows.findLastIndex((each) => each <= word.length)
      const key = word.slice(0, windows[window])
      const known = lengths[window]!.get(key) ?? []
      if (known.length === 0) lengths[window]!.set(key, known)
      if (!known.includes(word.length)) known.push(word.length)
      gates[hash(word, 0)]! |= 1 << window
    },
    find(text, found) {
      /** Where the last part of a long word ends. */
      let covered = 0
      for (let at = 0; at + shortest <= text.length; at++) {
        const gate = gates[hash(text, at)]!
        if (gate === 0) continue
        for (const [window, width] of windows.entries()) {
          if ((gate & (1 << window)) === 0) continue
          for (const length of lengths[window]!.get(text.slice(at, at + width)) ?? []) {
            const source = sources.get(text.slice(at, at + length))
            if (source !== undefined && at + length <= text.length) found(at, at + length, source)
          }
        }
        if ((gate & blockBit) === 0 || at + blockLength <= covered) continue
        for (const place of blocks.get(text.slice(at, at + blockLength)) ?? []) {
          const [start, end] = extend(text, at, place, covered)
          found(start, end, place.source)
          covered = Math.max(covered, end)
        }
      }
    },
  }
}

/** How far a text is like a word around a block, but not back beyond `from`. */
function extend(text: string, at: number, { word, at: place }: Place, from: number): readonly [number, number] {
  let start = at
  for (let back = place; start > from && back > 0 && text[start - 1] === word[back - 1]; back--) start--
  let end = at + blockLength
  for (let next = place + blockLength; end < text.length && next < word.length && text[end] === word[next]; next++) end++
  return [start, end]
}

function hash(text: string, at: number): number {
  const value =
    Math.imul(text.charCodeAt(at), 0x9e37_79b1) ^
    Math.imul(text.charCodeAt(at + 1), 0x85eb_ca6b) ^
    Math.imul(text.charCodeAt(at + 2), 0xc2b2_ae35) ^
    Math.imul(text.charCodeAt(at + 3), 0x27d4_eb2f)
  return value >>> 11
}
