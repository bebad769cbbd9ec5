/** A number for JSON.stringify, digit by digit. JSON.rawJSON is in Node.js 24 and not yet in TypeScript's library. */
export function rawJson(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)
}

/** JSON.parse, with integers that no double holds kept digit by digit. */
export function parseExactJson(text: string): unknown {
  const reviver = (_: string, value: unknown, { source }: { source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source!) ? rawJson(source!) : value
  // TypeScript's library does not know the third parameter yet.
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown)
}
