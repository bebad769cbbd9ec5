import { createKit } from './kit.ts'
import { ensureDockerEngine } from './docker-engine.ts'
console.log(await ensureDockerEngine(createKit()))
