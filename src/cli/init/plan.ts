import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { addPlugin, newConfig, pluginCall } from './edit-config.ts'
import { firstSuite } from './first-suite.ts'
import { type Survey, exists } from './survey.ts'

/** One file that `init` creates or changes. */
export interface Change {
  /** Relative to the repository. */
  readonly path: string
  readonly kind: 'create' | 'change'
  /** What it is for. */
  readonly text: string
  readonly content: string
}

export interface InitPlan {
  readonly changes: readonly Change[]
  /** What is left for the user to do. */
  readonly next: readonly string[]
}

/** What `init` would do. Nothing that exists is overwritten: configs and ignore files get lines, and all else is new. */
export async function planInit(survey: Survey): Promise<InitPlan> {
  const config = await planConfig(survey)
  const end = survey.isTypeScript ? 'ts' : 'js'
  const suitePath = `test/cluster/first.test.${end}`
  const suite = (await exists(join(survey.folder, suitePath))) ? [] : [create(suitePath, 'a first suite', firstSuite(survey, '../..'))]
  const ignores = [
    await addLines(survey, '.gitignore', ['.vitest/'], 'keeps reports out of Git'),
    ...(await Promise.all(
      survey.images.map((image) =>
        addLines(
          survey,
          image === '.' ? '.dockerignore' : `${image}/.dockerignore`,
          ['node_modules', '.git', '.vitest'],
          'keeps builds small',
        ),
      ),
    )),
  ]
  const run = `npx vitest run ${suitePath.replace(/\.test.*/, '')}`
  return {
    changes: [...config.changes, ...suite, ...ignores.flat()],
    next: [
      ...(survey.missingPackages.length > 0 ? [`npm install --save-dev ${survey.missingPackages.join(' ')}`] : []),
      ...config.next,
      `npx vitest-kubernetes doctor   # checks Docker, k3d and this machine`,
      run,
    ],
  }
}

const ofTemplates = 'templates: prepared clusters are kept for later runs, 20 GB at most'

async function planConfig({ folder, config, isTypeScript }: Survey): Promise<InitPlan> {
  if (config === undefined)
    return {
      changes: [create(`vitest.config.${isTypeScript ? 'ts' : 'mjs'}`, `vitest with the plugin; ${ofTemplates}`, newConfig)],
      next: [],
    }
  const text = await readFile(join(folder, config), 'utf8')
  if (text.includes('vitest-kubernetes/plugin')) return { changes: [], next: [] }
  const content = addPlugin(text)
  if (content !== undefined)
    return { changes: [{ path: config, kind: 'change', text: `adds the plugin; ${ofTemplates}`, content }], next: [] }
  return {
    changes: [],
    next: [`Add to ${config}: import { kubernetes } from 'vitest-kubernetes/plugin', and ${pluginCall} to its plugins`],
  }
}

function create(path: string, text: string, content: string): Change {
  return { path, kind: 'create', text, content }
}

/** Adds the lines that a file lacks; makes the file where there is none. */
async function addLines({ folder }: Survey, path: string, lines: readonly string[], text: string): Promise<readonly Change[]> {
  if (!(await exists(join(folder, path)))) return [create(path, text, `${lines.join('\n')}\n`)]
  const before = await readFile(join(folder, path), 'utf8')
  const bare = (line: string) => line.trim().replace(/^\/|\/$/g, '')
  const known = new Set(before.split(/\r?\n/).map(bare))
  const missing = lines.filter((line) => !known.has(bare(line)) && !known.has(`**/${bare(line)}`))
  if (missing.length === 0) return []
  const content = `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${missing.join('\n')}\n`
  return [{ path, kind: 'change', text, content }]
}
