import type { Reporter, Vitest } from 'vitest/node'

import type { Broker } from '../broker/broker.ts'

/** Tells the broker which files a run has, in the order in which vitest starts them, and which have ended. */
export function announceFiles(vitest: Vitest, broker: Pick<Broker, 'expect' | 'fileEnded'>): Reporter {
  return {
    async onTestRunStart(specifications) {
      // As vitest does itself a moment later.
      const Sequencer = vitest.config.sequence.sequencer
      const sorted = await new Sequencer(vitest).sort([...specifications])
      void broker.expect(sorted.map(({ moduleId }) => moduleId))
    },
    onTestModuleEnd: ({ moduleId }) => broker.fileEnded(moduleId),
  }
}
