import Dockerode from 'dockerode'

import type { DockerEngine } from './docker.ts'
import { limitRequests } from './limit-requests.ts'

/** The engine that DOCKER_HOST names and no other, whether it answers at this moment or not. */
export function openDocker(): DockerEngine {
  const engine = new Dockerode()
  limitRequests(engine)
  return { engine }
}
