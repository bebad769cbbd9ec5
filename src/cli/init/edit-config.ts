/** The plugin's call in a config. */
export const pluginCall = 'kubernetes({ templates: true })'

const importLine = `import { kubernetes } from 'vitest-kubernetes/plugin'\n`

/** A vitest config with the plugin and nothing else. */
export const newConfig = `import { defineConfig } from 'vitest/config'
${importLine}
export default defineConfig({
  plugins: [${pluginCall}],
})
`

/**
 * A config's text with the plugin in it. undefined for a text whose object cannot be found for sure: whoever reads
 * it adds the two lines by hand.
 */
export function addPlugin(text: string): string | undefined {
  const code = withoutComments(text)
  const opening = /\b(?:defineConfig|defineProject)\s*\(\s*\{|\bexport\s+default\s+\{/g
  const found = [...code.matchAll(opening)]
  if (found.length !== 1) return undefined
  const start = found[0]!.index + found[0]![0].length
  const plugins = findKey(code, start, 'plugins')
  const edited =
    plugins === undefined
      ? `${text.slice(0, start)}\n  plugins: [${pluginCall}],${text.slice(start)}`
      : `${text.slice(0, plugins)}${/^\s*\]/.test(code.slice(plugins)) ? pluginCall : `${pluginCall}, `}${text.slice(plugins)}`
  return plugins === -1 ? undefined : withImport(edited)
}

/** Where the array of a key begins, at the top level of the object that begins at `start`; -1 if its value is no array. */
function findKey(code: string, start: number, key: string): number | undefined {
  let depth = 0
  for (let at = start; at < code.length && depth >= 0; at++) {
    const character = code[at]!
    if ('{[('.includes(character)) depth++
    else if ('}])'.includes(character)) depth--
    else if (depth === 0 && code.startsWith(key, at) && !/[\w$]/.test(code[at - 1] ?? '')) {
      const value = new RegExp(`^${key}\\s*(:\\s*(\\[)?)?`).exec(code.slice(at))!
      if (value[1]) return value[2] ? at + value[0].length : -1
    }
  }
  return undefined
}

/** Comments and strings as blanks of the same length, so that positions stay. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g, (part) =>
    ' '.repeat(part.length),
  )
}

/** After the last import, or at the top. */
function withImport(text: string): string {
  const imports = [...text.matchAll(/^import\b[\s\S]*?from\s*['"][^'"]+['"];?[^\n]*\n|^import\s*['"][^'"]+['"];?[^\n]*\n/gm)]
  const last = imports.at(-1)
  const at = last ? last.index + last[0].length : 0
  return text.slice(0, at) + importLine + text.slice(at)
}
