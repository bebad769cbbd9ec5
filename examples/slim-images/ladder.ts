import type { ImageBuild } from 'vitest-kubernetes'

const rung = (name: string): ImageBuild => ({ build: './service', dockerfile: `${name}.Dockerfile` })

/** The same service, each image smaller than the one before. `npx vitest-kubernetes images --stack ladder.ts` shows where the bytes go. */
export const ladder = {
  images: {
    naive: rung('naive'),
    cleaned: rung('cleaned'),
    slim: rung('slim'),
    'multi-stage': rung('multi-stage'),
    minimal: rung('minimal'),
  },
}
