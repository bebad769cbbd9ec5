import { isAbsolute, matchesGlob, relative, resolve } from 'node:path'

import type { LeaseRequest } from '../engine/request.ts'
import { type SeedStep, declaredSeeds } from '../stack/seed-options.ts'

/** Which test files have to run again when a file changes that no test imports: manifests, seeds, folders of images. */
export interface WatchedPaths {
  /** Resolves what a suite is made of; `paths` are files and folders to watch. */
  add(request: Pick<LeaseRequest, 'file' | 'suite' | 'folder' | 'options' | 'sources'>): { readonly paths: readonly string[] }
  testsOf(file: string): readonly string[]
}

export function createWatchedPaths(): WatchedPaths {
  const suites = new Map<string, { readonly test: string; readonly patterns: readonly string[] }>()
  return {
    add(request) {
      const patterns = patternsOf(request)
      suites.set(`${request.file} ${request.suite}`, { test: request.file, patterns })
      return { paths: patterns.map(staticPart) }
    },
    testsOf(file) {
      const matching = [...suites.values()].filter(({ patterns }) => patterns.some((pattern) => isPartOf(file, pattern)))
      return [...new Set(matching.map(({ test }) => test))]
    },
  }
}

/** Absolute paths of files and folders, and globs. */
function patternsOf({ folder, options, sources }: Parameters<WatchedPaths['add']>[0]): readonly string[] {
  const { images = [], manifests = [], kustomize = [], charts = {}, secrets = [], seed } = options
  const builds = Object.values(images).map((image) => (typeof image === 'string' ? localOnly(image) : image.build))
  const releases = Object.values(charts).flatMap((chart) =>
    typeof chart === 'string' ? localOnly(chart) : [localOnly(chart.chart), ...[chart.valuesFiles ?? []].flat()],
  )
  const files = [manifests].flat().map((each) => (typeof each === 'string' ? each : undefined))
  const encrypted = [secrets].flat().flatMap((each) => (typeof each === 'string' ? each : Object.values(each)))
  const seeds = declaredSeeds(seed).flatMap((stage) => Object.values(stage).flat().map(fileOf))
  const paths = [...builds, ...releases, ...files, ...encrypted, ...[kustomize].flat(), ...seeds, ...sources]
  return paths.filter((path) => path !== undefined).map((path) => resolve(folder, path))
}

function fileOf(step: SeedStep): string | undefined {
  if (typeof step === 'string') return step
  if ('exec' in step) return step.input
  if ('http' in step) return step.file
  return typeof step.job === 'string' ? step.job : undefined
}

/** Not the name of an image or of a chart. */
function localOnly(path: string): string | undefined {
  return path.startsWith('.') || isAbsolute(path) ? path : undefined
}

function isPartOf(file: string, pattern: string): boolean {
  if (file === pattern || (/[*?[{]/.test(pattern) && matchesGlob(file, pattern))) return true
  const path = relative(pattern, file)
  return path !== '' && !path.startsWith('..') && !isAbsolute(path) && !/(^|\/)(node_modules|\.git)\//.test(path)
}

/** The watcher takes no globs. */
function staticPart(pattern: string): string {
  return pattern.replace(/\/[^/]*[*?[{].*$/, '') || '/'
}
