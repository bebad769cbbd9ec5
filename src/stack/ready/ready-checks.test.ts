import { expect, test } from 'vitest'

import { createKubeClient } from '../../kube/client.ts'
import { silentServer } from '../../testing/silent-server.ts'
import { waitForChecks } from './ready-checks.ts'

test('a deadline that passes while the API server is silent is told as any other', async () => {
  await using server = await silentServer()
  const context = {
    kube: createKubeClient(server.kubeconfig),
    namespace: 'default',
    addresses: () => [],
    progress: () => {},
    signal: AbortSignal.timeout(20_000),
  }
  await expect(waitForChecks({ 'deployment/gateway': { condition: 'Available', timeout: 100 } }, context)).rejects.toMatchObject({
    code: 'ERR_READY_CHECK_FAILED',
    message: expect.stringMatching(
      /^Check `condition Available=True` of "deployment\/gateway" did not hold within 0\.\d s; last seen: nothing yet\.$/,
    ),
  })
  const cancelled = { ...context, signal: AbortSignal.abort(new Error('enough')) }
  await expect(waitForChecks({ 'deployment/gateway': { condition: 'Available' } }, cancelled)).rejects.toThrow('enough')
})
