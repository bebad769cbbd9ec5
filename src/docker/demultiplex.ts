/** Type, three bytes of nothing, and the length: "Stream format" of the Docker Engine API. */
const headerSize = 8

/** Takes both outputs of a command apart, piece by piece. Those of the standard output are returned. */
export function demultiplex(onStderr: (part: Buffer) => void): (chunk: Buffer) => readonly Buffer[] {
  let header: Buffer = Buffer.alloc(0)
  let left = 0
  return (chunk) => {
    const parts: Buffer[] = []
    for (let rest = chunk; rest.length > 0;) {
      if (left > 0) {
        const part = rest.subarray(0, left)
        rest = rest.subarray(part.length)
        left -= part.length
        if (header[0] === 2) onStderr(part)
        else parts.push(part)
        if (left === 0) header = Buffer.alloc(0)
        continue
      }
      const missing = headerSize - header.length
      header = Buffer.concat([header, rest.subarray(0, missing)])
      rest = rest.subarray(missing)
      if (header.length < headerSize) continue
      left = header.readUInt32BE(4)
      if (left === 0) header = Buffer.alloc(0)
    }
    return parts
  }
}
