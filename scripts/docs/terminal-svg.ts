import { text } from 'node:stream/consumers'

// Usage: npm run demo | node scripts/docs/terminal-svg.ts > docs/quickstart.svg
// Draws what a terminal shows. FORCE_COLOR=1 keeps the colours when the output goes to a pipe.

const theme = {
  background: '#0d1117',
  foreground: '#e6edf3',
  dim: '#8b949e',
  black: '#0d1117',
  red: '#ff7b72',
  green: '#3fb950',
  yellow: '#d29922',
  blue: '#58a6ff',
  magenta: '#bc8cff',
  cyan: '#39c5cf',
}
const colours = [theme.black, theme.red, theme.green, theme.yellow, theme.blue, theme.magenta, theme.cyan, theme.foreground]
const [characterWidth, lineHeight, padding] = [8.4, 20, 16]

interface Style {
  readonly colour?: string | undefined
  readonly background?: string | undefined
  readonly bold?: boolean
  readonly dim?: boolean
}

const lines = (await text(process.stdin)).replaceAll(process.cwd(), '~/shop').replaceAll('\r', '').trimEnd().split('\n').map(parseLine)
const columns = Math.max(...lines.map((parts) => parts.reduce((width, part) => width + part.text.length, 0)))
const [width, height] = [Math.ceil(columns * characterWidth) + 2 * padding, lines.length * lineHeight + 2 * padding]

console.log(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`)
console.log(`<rect width="100%" height="100%" rx="8" fill="${theme.background}"/>`)
// Chromium does not honour xml:space any more, and takes white-space from the element itself alone.
console.log('<style>text { white-space: pre }</style>')
console.log('<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="14">')
for (const [row, parts] of lines.entries()) {
  let column = 0
  const y = padding + row * lineHeight
  for (const { text: shown, style } of parts) {
    const x = padding + column * characterWidth
    const length = shown.length * characterWidth
    if (style.background)
      console.log(`<rect x="${round(x)}" y="${y + 2}" width="${round(length)}" height="${lineHeight - 2}" fill="${style.background}"/>`)
    const attributes = [
      `fill="${style.dim ? theme.dim : (style.colour ?? theme.foreground)}"`,
      style.bold ? 'font-weight="bold"' : '',
      `textLength="${round(length)}"`,
    ]
    if (shown.trim()) console.log(`<text x="${round(x)}" y="${y + 15}" ${attributes.filter(Boolean).join(' ')}>${escape(shown)}</text>`)
    column += shown.length
  }
}
console.log('</g>\n</svg>')

/** Splits a line at its SGR escape sequences (ECMA-48). */
function parseLine(line: string): { text: string; style: Style }[] {
  let style: Style = {}
  // oxlint-disable-next-line no-control-regex
  return line.split(/(\u001B\[[\d;]*m)/).flatMap((part) => {
    // oxlint-disable-next-line no-control-regex
    const codes = /^\u001B\[([\d;]*)m$/.exec(part)?.[1]
    if (codes === undefined) return part ? [{ text: part, style }] : []
    for (const code of codes.split(';').map(Number)) style = applyCode(style, code)
    return []
  })
}

function applyCode(style: Style, code: number): Style {
  if (code === 0) return {}
  if (code === 1) return { ...style, bold: true }
  if (code === 2) return { ...style, dim: true }
  if (code === 22) return { ...style, bold: false, dim: false }
  if (code === 39) return { ...style, colour: undefined }
  if (code === 49) return { ...style, background: undefined }
  if (code >= 30 && code <= 37) return { ...style, colour: colours[code - 30] }
  if (code >= 40 && code <= 47) return { ...style, background: colours[code - 40] }
  if (code === 90) return { ...style, colour: theme.dim }
  return style
}

function escape(shown: string): string {
  return shown.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function round(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '')
}
