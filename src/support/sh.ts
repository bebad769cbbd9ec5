/** A text as one word of sh. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
