/** Characters of a value that are worth reading. */
const shown = 100

/** What the API server says, without the dumps of whole structures: `spec.template: Invalid value: core.PodTemplateSpec{…}: field is immutable`. */
export function shortenValues(message: string): string {
  const [first = '', ...parts] = message.split(/(?<=Invalid value: )/)
  return [first, ...parts.map(shortenValue)].join('')
}

function shortenValue(text: string): string {
  const start = /^[\w.*&[\]]*\{/.exec(text)?.[0].length
  if (start === undefined) return text
  const end = endOfBraces(text, start - 1)
  return end <= shown ? text : `${text.slice(0, start)}…}${text.slice(end)}`
}

/** Where the brace that opens at an index is closed; braces in quotes do not count. */
function endOfBraces(text: string, from: number): number {
  let depth = 0
  let isQuoted = false
  for (let index = from; index < text.length; index++) {
    const character = text[index]
    if (character === '\\') index++
    else if (character === '"') isQuoted = !isQuoted
    else if (!isQuoted && character === '{') depth++
    else if (!isQuoted && character === '}' && --depth === 0) return index + 1
  }
  return text.length
}

/** What to do about a field that cannot be changed once the object is there. */
export function hintForChange(message: string, kind: string, name: string): string | undefined {
  if (
    !/field is immutable|updates to \w+ spec .*are forbidden|cannot change roleRef|spec is immutable|may not change once set/.test(message)
  )
    return undefined
  return `A ${kind} cannot be changed in this respect once it is there. Give it another name, or delete it before: kubectl delete ${kind.toLowerCase()}/${name}.`
}
