import { expect, test } from 'vitest'

import { outputsOf } from './outputs.ts'

test('knows the files and folders that a run writes', () => {
  const config = {
    ...{ root: '/shop', attachmentsDir: '.vitest-attachments', outputFile: { json: './out/a.json' } },
    coverage: { enabled: true, reportsDirectory: '/shop/coverage' },
    reporters: [
      ['default', {}],
      ['html', {}],
      ['junit', { outputFile: 'junit.xml' }],
    ],
  }
  const all = ['.vitest/kubernetes', '.vitest-attachments', 'coverage', 'html', 'out/a.json', 'junit.xml'].map((path) => `/shop/${path}`)
  expect(outputsOf({ config } as never, '/shop/.vitest/kubernetes')).toEqual(all)
  // A folder of that name may be anything else then.
  const without = { ...config, coverage: { ...config.coverage, enabled: false } }
  expect(outputsOf({ config: without } as never, undefined)).not.toContain('/shop/coverage')
})
