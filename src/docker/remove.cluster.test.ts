import { expect, onTestFinished, test } from 'vitest'

import { parseSubstitutes, substituteImage } from '../stack/images/image-names.ts'
import { randomId } from '../support/identity.ts'
import { connectDocker } from './docker.ts'
import { isEmpty, listByLabel, removeByLabel, removeContainer } from './remove.ts'

const image = substituteImage(parseSubstitutes(process.env['VITEST_KUBERNETES_IMAGES']), 'busybox:1.37')
const label = `vk-test-${randomId()}`
const docker = await connectDocker()

/** One that has nothing of ours but what it is attached to. */
async function startForeign(hostConfig: object) {
  const options = { Image: image, Cmd: ['sleep', '3600'], HostConfig: { Init: true, ...hostConfig } }
  const container = await docker.engine.createContainer(options)
  onTestFinished(() => removeContainer(docker, container.id))
  await container.start()
  return container
}

test("a network goes although somebody else's container is attached to it, which stays", async () => {
  const name = `${label}-network`
  await docker.engine.createNetwork({ Name: name, Labels: { [name]: '' } })
  onTestFinished(() => removeByLabel(docker, [name]))
  const foreign = await startForeign({ NetworkMode: name })
  await removeByLabel(docker, [name])
  expect(isEmpty(await listByLabel(docker, [name]))).toBe(true)
  const { State, NetworkSettings } = await foreign.inspect()
  expect([State.Running, NetworkSettings.Networks]).toEqual([true, {}])
})

test('what Docker refuses to remove is named, with its reason, once all else is gone', async () => {
  const [volume, other] = ['used', 'other'].map((name) => `${label}-${name}`)
  for (const Name of [volume!, other!]) await docker.engine.createVolume({ Name, Labels: { [label]: '' } })
  onTestFinished(() => removeByLabel(docker, [label]))
  const foreign = await startForeign({ Binds: [`${volume}:/data`] })
  await expect(removeByLabel(docker, [label], { limit: 1_000 })).rejects.toMatchObject({
    code: 'ERR_CLUSTER_LEFTOVERS',
    message: expect.stringMatching(new RegExp(`^Docker did not remove "${volume}": ${volume}: .*volume is in use`)) as string,
    hint: `Remove them by hand: docker volume rm ${volume}`,
  })
  expect(await listByLabel(docker, [label])).toEqual({ containers: [], networks: [], volumes: [volume] })
  expect((await foreign.inspect()).State.Running).toBe(true)
})

test("a network stays as long as a volume does: its labels tell whose k3d's volumes are", async () => {
  const name = `${label}-last`
  await docker.engine.createVolume({ Name: name, Labels: { [name]: '' } })
  await docker.engine.createNetwork({ Name: name, Labels: { [name]: '' } })
  onTestFinished(() => removeByLabel(docker, [name]))
  const foreign = await startForeign({ Binds: [`${name}:/data`] })
  await expect(removeByLabel(docker, [name], { limit: 0 })).rejects.toMatchObject({ code: 'ERR_CLUSTER_LEFTOVERS' })
  expect(await listByLabel(docker, [name])).toEqual({ containers: [], networks: [name], volumes: [name] })
  await removeContainer(docker, foreign.id)
  await removeByLabel(docker, [name])
  expect(isEmpty(await listByLabel(docker, [name]))).toBe(true)
})

test("a cluster's volume that Docker has made again for a container goes with that, and other volumes stay", async () => {
  const name = `${label}-again`
  const [own, other] = [`k3d-${name}-images`, `${name}-other`]
  onTestFinished(async () => void (await docker.engine.getVolume(other).remove()))
  const options = { Image: image, Labels: { 'k3d.cluster': name }, HostConfig: { Binds: [`${own}:/k3d/images`, `${other}:/data`] } }
  await docker.engine.createContainer(options)
  expect((await docker.engine.getVolume(own).inspect()).Labels).toBe(null)
  await removeByLabel(docker, [`k3d.cluster=${name}`])
  await expect(docker.engine.getVolume(own).inspect()).rejects.toMatchObject({ statusCode: 404 })
  expect(await docker.engine.getVolume(other).inspect()).toMatchObject({ Name: other })
})
