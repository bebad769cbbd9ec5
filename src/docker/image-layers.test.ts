import { expect, test } from 'vitest'

import { findWaste, isPackageJson } from './image-findings.ts'
import { formatLayers, readableStep } from './image-layers.ts'

test.for([
  ['/bin/sh -c #(nop) COPY dir:0a1b2c in /app ', 'COPY … /app'],
  ['/bin/sh -c #(nop) COPY multi:0a1b2c in ./ ', 'COPY … ./'],
  ['/bin/sh -c #(nop)  CMD ["node"]', 'CMD ["node"]'],
  ['/bin/sh -c npm ci', 'RUN npm ci'],
  ['|1 VERSION=3 /bin/sh -c npm ci --omit=dev', 'RUN npm ci --omit=dev'],
  ['RUN /bin/sh -c npm ci # buildkit', 'RUN npm ci'],
  ['RUN |1 VERSION=3 /bin/sh -c npm ci # buildkit', 'RUN npm ci'],
  ['COPY . . # buildkit', 'COPY . .'],
  ['ADD rootfs.tar.xz / # debuerreotype', 'ADD rootfs.tar.xz / # debuerreotype'],
] as const)('%s is %s', ([createdBy, step]) => expect(readableStep(createdBy)).toBe(step))

test('prints layers as a table', () => {
  const layers = [
    { step: 'FROM node:24-slim', size: 169e6 },
    { step: `RUN ${'x'.repeat(50)}`, size: 4.2e6 },
  ]
  expect(formatLayers({ layers }, 20)).toBe('  size  step\n169 MB  FROM node:24-slim\n4.2 MB  RUN xxxxxxxxxxxxxxx…')
})

test('finds caches, root and development dependencies', () => {
  const file = (path: string, size = 1e6, content?: string) => ({ path, size, ...(content === undefined ? {} : { content }) })
  const files = [
    file('var/lib/apt/lists/deb.debian.org_InRelease'),
    file('root/.npm/_cacache/content-v2/ab', 3e6),
    file('app/.git/objects/ab'),
    file('app/package.json', 100, '{"dependencies":{"pg":"8"},"devDependencies":{"typescript":"7","vitest":"5"}}'),
    file('app/node_modules/typescript/lib/tsc.js', 20e6),
    file('app/node_modules/pg/index.js'),
    file('app/templates/package.json', 10, '{{ broken }}'),
  ]
  expect(findWaste({ user: 'root' }, files)).toEqual([
    'It runs as root. Add a USER line.',
    'lists of apt: 1.0 MB. End that RUN with: && rm -rf /var/lib/apt/lists/*',
    'cache of npm: 3.0 MB. End that RUN with: && npm cache clean --force',
    'Git history: 1.0 MB. Name .git in .dockerignore.',
    'development dependencies in /app/: "typescript", 20 MB. Install with: npm ci --omit=dev',
  ])
  expect(findWaste({ user: 'node:node' }, [file('app/node_modules/pg/index.js')])).toEqual([])
  expect(['app/package.json', 'app/node_modules/pg/package.json', 'usr/lib/node_modules/npm/package.json'].map(isPackageJson)).toEqual([
    true,
    false,
    false,
  ])
})
