import { createKit } from './kit.ts'
import { ensureDockerEngine } from './docker-engine.ts'
import { ensureNodeImages } from './node-image.ts'
const kit = createKit()
await ensureDockerEngine(kit)
console.log(await ensureNodeImages(kit))
