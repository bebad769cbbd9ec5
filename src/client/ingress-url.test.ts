import { expect, test } from 'vitest'

import { publishedIngresses } from '../cluster/network/ingress-routes.ts'
import type { IngressRoute } from '../cluster/network/service-address.ts'
import { ingressOrigins, ingressUrl } from './ingress-url.ts'

const route = (name: string, host: string, path = '/', more: Partial<IngressRoute> = {}): IngressRoute => ({
  ...{ kind: 'ingress', namespace: 'default', name, host, path, isTls: false, port: more.isTls ? 443 : 80 },
  ...{ backend: { namespace: 'default', name: 'web' }, ...more },
})
const routes = [
  route('shop', '*.shop.localhost'),
  route('shop', 'shop.localhost'),
  route('shop', 'shop.localhost', '/api'),
  route('secure', 'pay.localhost', '/', { isTls: true }),
  route('plain', ''),
  route('wild', '*.wild.localhost'),
  route('far', 'far.localhost', '/', { namespace: 'other' }),
]
const at = (port: number, hostPort: number) => ({
  ...{ namespace: 'default', service: 'ingress', portName: port === 80 ? 'http' : 'https', port, host: '127.0.0.1', hostPort, routes },
})
const addresses = [at(80, 4000), at(443, 4443), { ...at(80, 5000), service: 'web', routes: [] }]
const url = (ingress: string, host?: string) => ingressUrl(addresses, 'default', `ingress/${ingress}`, host)

test('is the origin of a host', () => {
  expect(url('shop')).toBe('http://shop.localhost:4000')
  expect(url('shop', 'red.shop.localhost')).toBe('http://red.shop.localhost:4000')
  expect(url('secure')).toBe('https://pay.localhost:4443')
  expect(url('plain')).toBe('http://127.0.0.1:4000')
  expect(url('far.other')).toBe('http://far.localhost:4000')
  expect(ingressUrl([at(80, 80), at(443, 443)], 'default', 'ingress/secure')).toBe('https://pay.localhost')
})

test('what is not there is refused with what is', () => {
  expect(() => url('shpo')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: There is no Ingress "shpo" in the cluster that the stack's ingress controller serves.
    Hint: It has "shop", "secure", "plain", "wild" and "far.other".]
  `)
  expect(() => url('shop', 'a.b.shop.localhost')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Ingress "shop" has no host "a.b.shop.localhost".
    Hint: It has "*.shop.localhost" and "shop.localhost".]
  `)
  expect(() => url('wild')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: Ingress "wild" has wildcard hosts only: say which host.
    Hint: It has "*.wild.localhost".]
  `)
  expect(() => ingressUrl([], 'default', 'ingress/shop')).toThrowErrorMatchingInlineSnapshot(`
    [ClusterTestError: There is no Ingress "shop" in the cluster that the stack's ingress controller serves.
    Hint: It has none.]
  `)
})

test('lists every path, and an origin for each Ingress', () => {
  expect(publishedIngresses(addresses)).toEqual([
    { kind: 'ingress', name: 'shop', url: 'http://*.shop.localhost:4000/' },
    { kind: 'ingress', name: 'shop', url: 'http://shop.localhost:4000/' },
    { kind: 'ingress', name: 'shop', url: 'http://shop.localhost:4000/api' },
    { kind: 'ingress', name: 'secure', url: 'https://pay.localhost:4443/' },
    { kind: 'ingress', name: 'plain', url: 'http://127.0.0.1:4000/' },
    { kind: 'ingress', name: 'wild', url: 'http://*.wild.localhost:4000/' },
    { kind: 'ingress', name: 'far.other', url: 'http://far.localhost:4000/' },
  ])
  expect(ingressOrigins(addresses, 'default')).toEqual({
    'ingress/shop': 'http://shop.localhost:4000',
    'ingress/secure': 'https://pay.localhost:4443',
    'ingress/plain': 'http://127.0.0.1:4000',
    'ingress/far.other': 'http://far.localhost:4000',
  })
})
