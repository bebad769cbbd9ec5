import { expect, test } from 'vitest'

import { kindOf } from './recognise.ts'

test.for<[string, ReturnType<typeof kindOf>]>([
  ['P', 'begun'],
  ['PRI', 'begun'],
  ['GET', 'begun'],
  ['PRI * HTTP/2.0\r\n\r\n', 'begun'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'http2'],
  ['GET /', 'http1'],
  ['\r\nGET /', 'http1'],
  ['OPTIONS *', 'http1'],
  ['GET http://shop/', 'http1'],
  ['CONNECT shop:443 HTTP/1.1\r\n', 'http1'],
  ['BREW /pot', 'unknown'],
  ['BREW /pot HTTP/1.1\r\n', 'http1'],
  ['brew pot HTTP/1.0\n', 'http1'],
  ['\r\n', 'unknown'],
  ['GE\r\n', 'other'],
  ['GET key\r\n', 'other'],
  ['CONNECT {"verbose":false}\r\n', 'other'],
  ['EHLO me\r\n', 'other'],
  ['PING\r\n', 'other'],
  ['\u0016\u0003\u0001', 'other'],
  ['*1\r\n$4\r\nPING\r\n', 'other'],
  ['x'.repeat(33), 'other'],
])('%j is %s', ([start, kind]) => {
  expect(kindOf(start)).toBe(kind)
})
