import { expect, test } from 'vitest'

import { KubeStatusError } from '../../kube/client.ts'
import { ClusterTestError } from '../../support/errors.ts'
import { refusedForNow } from './refused.ts'

const refusal = (apiVersion: string, serverMessage?: string) => {
  const cause = serverMessage === undefined ? {} : { cause: new KubeStatusError('PATCH', '/x', 500, 'InternalError', serverMessage) }
  const manifest = { object: { apiVersion, kind: 'X', metadata: { name: 'x' } }, origin: 'x.yaml' }
  return refusedForNow(manifest, new ClusterTestError('ERR_MANIFEST_REJECTED', 'refused', cause))?.needs
}

test.for([
  // A kind that nothing has defined yet.
  ['shop.example.com/v1', undefined, 'objects'],
  ['gateway.networking.k8s.io/v1', undefined, 'objects'],
  ['policy/v1beta1', undefined, undefined],
  ['networking.k8s.io/v1beta1', undefined, undefined],
  [
    'v1',
    'Internal error occurred: failed calling webhook "webhook.cert-manager.io": no endpoints available for service "webhook"',
    'anything',
  ],
  ['v1', 'namespaces "later" not found', 'objects'],
  ['v1', 'pods "x" is forbidden: error looking up service account default/runner: serviceaccount "runner" not found', 'objects'],
  ['v1', 'admission webhook "deny.example.com" denied the request: no', undefined],
  ['v1', '.spec.dta: field not declared in schema', undefined],
] as const)('%s, %s: %s', ([apiVersion, message, needs]) => {
  expect(refusal(apiVersion, message)).toBe(needs)
})

test('an error of another kind is nobody’s to cure', () => {
  const manifest = { object: { apiVersion: 'shop.example.com/v1', kind: 'X', metadata: { name: 'x' } }, origin: 'x.yaml' }
  expect(refusedForNow(manifest, new Error('no'))).toBeUndefined()
})
