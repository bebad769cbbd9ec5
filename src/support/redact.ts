/** Takes every secret out of a text. */
export type Redact = (text: string) => string

const mask = '[redacted]'

/** Shorter ones would take out half of every text. */
const minLength = 4
/** Words that say nothing, whoever keeps them secret. */
const plain = new Set(['true', 'false', 'null', 'none', 'default', 'localhost'])

/**
 * Redaction by value: each secret as it is, each long line of it, and as base64, in a URL and in JSON.
 * @param isPublic for values that are known anyway, such as the name of an object that is also a user's name
 */
export function createRedact(secrets: Iterable<string>, isPublic: (value: string) => boolean = () => false): Redact {
  const words = new Set<string>()
  for (const secret of secrets) {
    for (const value of [secret, secret.trim(), ...linesOf(secret)]) {
      if (value.length < minLength || plain.has(value.toLowerCase()) || isPublic(value)) continue
      for (const form of [value, ...encodings(value)]) words.add(form)
    }
  }
  if (words.size === 0) return (text) => text
  // The longest first: one secret may be a part of another.
  const alternatives = [...words].toSorted((a, b) => b.length - a.length).map((word) => RegExp.escape(word))
  const pattern = new RegExp(alternatives.join('|'), 'g')
  return (text) => text.replaceAll(pattern, mask)
}

/** A certificate or a file of settings is often printed line by line. */
function linesOf(secret: string): readonly string[] {
  const lines = secret.split('\n').map((line) => line.trim())
  return lines.length > 1 ? lines.filter((line) => line.length >= 8 && !line.startsWith('-----')) : []
}

function encodings(value: string): readonly string[] {
  return [Buffer.from(value).toString('base64'), encodeURIComponent(value), JSON.stringify(value).slice(1, -1)]
}
