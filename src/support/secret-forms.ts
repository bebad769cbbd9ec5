/** One way in which a secret is written. */
export interface SecretForm {
  readonly text: string
  /** What it is a form of. */
  readonly value: string
}

/** The alphabet of a name in front of a value that is nobody's business, in JSON, YAML, properties, connection strings. */
const named =
  /(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credentials?|auth|api_?key|access_?key|private_?key)["']?\s*[=:]\s*["']?([^\s"',;&]+)/gi
/** The password of a URL. */
const inUrl = /\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:([^\s/@]+)@/gi
/** Characters of what is looked through for such values, and written in every form there is. */
const searched = 1 << 16

/** All that is to be looked for: the secret, its lines, what it holds that is secret by itself, and how each of them is encoded. */
export function* secretForms(secret: string): Generator<SecretForm> {
  const trimmed = secret.trim()
  for (const value of new Set([secret, trimmed, ...innerSecrets(secret)])) {
    yield { text: value, value }
    for (const text of encodings(value)) yield { text, value: value.trim() }
  }
  for (const value of linesOf(secret)) yield { text: value, value }
}

/** A certificate or a file of settings is often printed line by line. */
function linesOf(secret: string): readonly string[] {
  const lines = secret.split('\n').map((line) => line.trim())
  return lines.length > 1 ? lines.filter((line) => line.length >= 8 && !line.startsWith('-----')) : []
}

function innerSecrets(secret: string): readonly string[] {
  if (secret.length > searched) return []
  return [named, inUrl].flatMap((pattern) => [...secret.matchAll(pattern)].map(([, value]) => value!))
}

/** Others are decoded where a text is folded. */
function encodings(value: string): readonly string[] {
  const bytes = Buffer.from(value)
  const base64 = bytes.toString('base64')
  if (value.length > searched) return [base64]
  const within = [0, 1, 2].map((before) => insideBase64(bytes, before)).filter((text) => text.length >= 8)
  const all = [base64, ...within]
  return [...new Set([...all, ...all.map(forUrl)]), bytes.toString('hex'), bytes.toString('hex').toUpperCase()]
}

/** What bytes always are in the middle of something that is encoded as a whole, such as `user:password` of HTTP, with so many bytes in front of them. */
function insideBase64(bytes: Buffer, before: number): string {
  const padded = Buffer.concat([Buffer.alloc(before), bytes])
  const whole = padded.toString('base64').replace(/=+$/, '')
  return whole.slice(Math.ceil((before * 8) / 6), Math.floor((padded.length * 8) / 6))
}

function forUrl(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}
