import { expect, test } from 'vitest'

import { parsePauseImage } from './pause-image.ts'

test('finds the image of the sandboxes in both formats of containerd', () => {
  expect(parsePauseImage('version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "rancher/mirrored-pause:3.6"\n')).toBe(
    'rancher/mirrored-pause:3.6',
  )
  expect(
    parsePauseImage(
      `[plugins.'io.containerd.cri.v1.images'.pinned_images]\n  sandbox = 'registry.example.com/rancher/mirrored-pause:3.6'\n`,
    ),
  ).toBe('registry.example.com/rancher/mirrored-pause:3.6')
  expect(parsePauseImage(`sandboxer = 'podsandbox'\n# sandbox = "x"\n`)).toBeUndefined()
})
