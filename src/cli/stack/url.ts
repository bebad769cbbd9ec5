import { isIngressName } from '../../client/ingress-url.ts'
import type { RunCommand } from '../command.ts'
import { describeUp } from './describe-up.ts'
import { findUpStack, openStack } from './open-stack.ts'

export const url: RunCommand = async ({ positionals: [service, port], values }, context) => {
  const kept = await findUpStack(values['stack'] as string | undefined, context)
  await using opened = await openStack(kept, context)
  const { services, ingresses } = describeUp(kept, opened)
  if (service === undefined) {
    const lines = [
      ...services.map(({ name, port: number, url: each }) => `${name}:${number} ${each}`),
      ...ingresses.map(({ kind, name, url: each }) => `${kind}/${name} ${each}`),
    ]
    context.print(values['json'] ? JSON.stringify({ services, ingresses }) : lines.join('\n'))
    return 0
  }
  if (isIngressName(service)) {
    const origin = opened.cluster.url(service, port)
    context.print(values['json'] ? JSON.stringify({ url: origin }) : origin)
    return 0
  }
  const wanted = opened.cluster.address(service, /^\d+$/.test(port ?? '') ? Number(port) : port)
  const index = opened.addresses.findIndex(({ host, hostPort }) => host === wanted.host && hostPort === wanted.port)
  const found = services[index]!.url
  context.print(values['json'] ? JSON.stringify({ url: found }) : found)
  return 0
}
