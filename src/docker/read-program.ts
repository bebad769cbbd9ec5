import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'

import { ClusterTestError } from '../support/errors.ts'

/**
 * A program of ours for a container: without any library, made by scripts/build-programs.ts of `relay/main.go` or `archive/main.go`.
 * @param platform of the engine: `linux/amd64`
 */
export async function readProgram(name: 'relay' | 'archive', platform: string): Promise<Buffer> {
  return promisify(gunzip)(await readPackedProgram(name, platform))
}

/** The same, as gzip packs it. */
export async function readPackedProgram(name: 'relay' | 'archive', platform: string): Promise<Buffer> {
  try {
    return await readFile(join(import.meta.dirname, '../../vendor', `${name}-${platform.replace('/', '-')}.gz`))
  } catch (error) {
    throw new ClusterTestError('ERR_DOCKER_REQUEST_FAILED', `There is no program "${name}" for engines of the platform ${platform}.`, {
      cause: error,
      hint: 'In a checkout of vitest-kubernetes, build it: node scripts/build-programs.ts (it needs Go).',
    })
  }
}
