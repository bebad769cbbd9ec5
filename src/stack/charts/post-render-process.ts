// What Helm runs between rendering a chart and applying it.
import { text } from 'node:stream/consumers'

import { type PostRender, postRender } from './post-render.ts'

const changes = JSON.parse(process.env['VITEST_KUBERNETES_POST_RENDER'] ?? '') as PostRender
process.stdout.write(postRender(await text(process.stdin), changes))
