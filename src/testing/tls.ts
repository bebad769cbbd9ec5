import { once } from 'node:events'
import { isIP } from 'node:net'
import { type TLSSocket, connect, createServer } from 'node:tls'

import { generate } from 'selfsigned'

/** A key, and a certificate that is its own authority. */
export interface Identity {
  readonly key: string
  readonly cert: string
}

export async function createIdentity(name: string): Promise<Identity> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: name }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [isIP(name) ? { type: 7, ip: name } : { type: 2, value: name }] },
    ],
  })
  return { key, cert }
}

/** A server that has a certificate for each name, takes only clients that it knows, and tells each what it saw of it. */
export function mutualTlsServer(identities: Readonly<Record<string, Identity>>, client: Identity) {
  const [first] = Object.values(identities)
  const server = createServer({ ...first, ca: client.cert, requestCert: true, rejectUnauthorized: true }, (socket) => {
    socket.end(JSON.stringify({ servername: socket.servername, client: socket.getPeerCertificate().subject?.CN }))
  })
  for (const [name, identity] of Object.entries(identities)) server.addContext(name, { ...identity, ca: client.cert })
  return server
}

/** Connects, and resolves to what the server said and showed. */
export async function askTls(
  { host, port }: { readonly host: string; readonly port: number },
  options: { readonly servername: string; readonly ca: string; readonly client?: Identity },
): Promise<{ readonly answer: unknown; readonly certificate: string }> {
  const { servername, ca, client } = options
  const socket: TLSSocket = connect({ host, port, servername, ca, ...client })
  await once(socket, 'secureConnect')
  const certificate = socket.getPeerX509Certificate()!.toString().trim()
  const text = (await socket.setEncoding('utf8').toArray()).join('')
  // With TLS 1.3 a client learns that it is not wanted when it reads.
  if (text === '') throw new Error('The server refused the client.')
  return { answer: JSON.parse(text), certificate }
}
