import { expect, test } from 'vitest'

import { type RequestMatch, canOverlap, decodeMatch, describeMatch, encodeMatch, matchesHead } from './match.ts'

const request = { method: 'POST', url: '/api/orders?page=2', headers: { 'x-user': 'ann', accept: 'text/html, */*' } }

test.for<[RequestMatch, boolean]>([
  [{}, true],
  [{ method: 'post' }, true],
  [{ method: 'GET' }, false],
  [{ path: '/api/orders' }, true],
  [{ path: '/api/*' }, true],
  [{ path: '/api' }, false],
  [{ path: /orders$/ }, true],
  [{ headers: { 'X-User': 'ann' } }, true],
  [{ headers: { 'X-User': 'a*' } }, true],
  [{ headers: { 'X-User': 'bob' } }, false],
  [{ headers: { 'x-absent': /.*/ } }, false],
  [{ method: 'POST', headers: { 'x-user': 'ann', accept: /html/ } }, true],
  [{ method: 'POST', path: '/other', headers: { 'x-user': 'ann' } }, false],
])('%o fits: %s', ([match, expected]) => {
  expect(matchesHead(request, match)).toBe(expected)
})

test.for<[RequestMatch[] | undefined, RequestMatch[] | undefined, boolean]>([
  [undefined, undefined, true],
  [undefined, [{ path: '/a' }], true],
  [[{ headers: { 'x-user': 'ann' } }], [{ headers: { 'X-User': 'bob' } }], false],
  [[{ headers: { 'x-user': 'ann' } }], [{ headers: { 'x-user': 'ann', 'x-team': 'a' } }], true],
  [[{ headers: { 'x-user': 'ann' } }], [{ headers: { 'x-team': 'a' } }], true],
  [[{ path: '/api/*' }], [{ path: '/app/*' }], false],
  [[{ path: '/api/*' }], [{ path: '/api/v2/*' }], true],
  [[{ path: '/api/*' }], [{ path: '/api/orders' }], true],
  [[{ path: '/api/orders' }], [{ path: '/api/carts' }], false],
  [[{ path: /^\/a/ }], [{ path: '/b' }], false],
  [[{ path: /^\/a/ }], [{ path: /^\/b/ }], true],
  [[{ method: 'GET' }], [{ method: 'post' }], false],
  [[{ method: 'GET' }, { path: '/a' }], [{ method: 'POST', path: '/b' }], false],
  [[{ method: 'GET' }, { path: '/a' }], [{ method: 'POST' }], true],
])('%o and %o share a request: %s', ([some, others, expected]) => {
  expect(canOverlap(some, others)).toBe(expected)
  expect(canOverlap(others, some)).toBe(expected)
})

test('patterns survive the way to the owner of the cluster, without the flags that keep a state', () => {
  const match = { method: 'GET', path: /^\/api/giy, headers: { 'x-user': /ann/, accept: 'text/*' }, body: 'query*' }
  const sent = JSON.parse(JSON.stringify(encodeMatch(match))) as ReturnType<typeof encodeMatch>
  expect(decodeMatch(sent)).toEqual([{ ...match, path: /^\/api/i }])
  expect(describeMatch(decodeMatch(sent))).toBe('GET /^\\/api/i with x-user: /ann/, accept: text/*, body query*')
})

test.for<[unknown, string]>([
  [{}, 'Expected option `match` of a bridge to be an object with a method, a path, headers or a body, got {}.'],
  [[], 'Expected option `match` of a bridge to be a request to match, or an array of them, got [].'],
  [[{ path: 'orders' }], 'Expected option `match[0].path` of a bridge to be a path that starts with "/", or a RegExp, got "orders".'],
  [{ method: 'GET POST' }, 'Expected option `match.method` of a bridge to be an HTTP method, got "GET POST".'],
  [{ headers: { 'x-user': 1 } }, 'Expected option `match.headers["x-user"]` of a bridge to be text or a RegExp, got 1.'],
  [{ header: {} }, 'Option `match` of a bridge has no key "header".'],
])('%o is refused', ([match, message]) => {
  expect(() => encodeMatch(match as RequestMatch)).toThrow(message)
})
