import { expect, test } from 'vitest'

import { hintForChange, shortenValues } from './server-words.ts'

test('a dump of a structure is left out, and what is said of it stays', () => {
  const dump = `core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:"", Labels:map[string]string{"a":"}"}}, Spec:core.PodSpec{${'Volumes:[]core.Volume(nil), '.repeat(20)}}}`
  expect(shortenValues(`Job.batch "migrate" is invalid: spec.template: Invalid value: ${dump}: field is immutable`)).toBe(
    'Job.batch "migrate" is invalid: spec.template: Invalid value: core.PodTemplateSpec{…}: field is immutable',
  )
  const two = `[spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable, spec.template: Invalid value: ${dump}: field is immutable]`
  expect(shortenValues(two)).toBe(
    '[spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable, spec.template: Invalid value: core.PodTemplateSpec{…}: field is immutable]',
  )
  expect(shortenValues('metadata.name: Invalid value: "Bad_Name": no')).toBe('metadata.name: Invalid value: "Bad_Name": no')
})

test.for([
  'spec.template: Invalid value: {}: field is immutable',
  "spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
  'cannot change roleRef',
  'spec: Forbidden: spec is immutable after creation except resources.requests',
])('says what to do about: %s', (message) => {
  expect(hintForChange(message, 'Job', 'migrate')).toMatch(/^A Job cannot be changed .* kubectl delete job\/migrate\.$/)
})

test('says nothing of the like about other refusals', () => {
  expect(hintForChange('spec.replicas: Invalid value: -1', 'Deployment', 'a')).toBeUndefined()
})
