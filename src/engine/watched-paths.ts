import { isAbsolute, matchesGlob, relative, resolve } from 'node:path'

import { isIgnored } from '../docker/build-context.ts'
import { type SeedStep, declaredSeeds } from '../stack/seed-options.ts'
import { type LeaseRequest, stackFolder } from './request.ts'

/** Which test files have to run again when a file changes that no test imports: manifests, seeds, folders of images. */
export interface WatchedPaths {
  /** Resolves what a suite is made of; `paths` are files and folders to watch. */
  add(request: Pick<LeaseRequest, 'file' | 'suite' | 'folder' | 'options' | 'sources'>): { readonly paths: readonly string[] }
  testsOf(file: string): readonly string[]
}

/** @param outputs what a run writes: no reason for another run, wherever it lies */
export function createWatchedPaths(outputs: readonly string[] = []): WatchedPaths {
  const suites = new Map<string, { readonly test: string; readonly patterns: readonly Pattern[] }>()
  return {
    add(request) {
      const patterns = patternsOf(request)
      suites.set(`${request.file} ${request.suite}`, { test: request.file, patterns })
      return { paths: patterns.map(({ path }) => staticPart(path)) }
    },
    testsOf(file) {
      if (outputs.some((output) => isPartOf(file, output))) return []
      const matching = [...suites.values()].filter(({ patterns }) => patterns.some((pattern) => isMeant(file, pattern)))
      return [...new Set(matching.map(({ test }) => test))]
    },
  }
}

interface Pattern {
  /** Absolute path of a file or folder, or a glob. */
  readonly path: string
  /** Of the Dockerfile, when it is the folder of a build. */
  readonly dockerfile?: string | undefined
}

function patternsOf(request: Parameters<WatchedPaths['add']>[0]): readonly Pattern[] {
  const { folder, options, sources } = request
  const { images = [], manifests = [], kustomize = [], charts = {}, secrets = [], seed } = options
  const builds = Object.values(images).map((image) => (typeof image === 'string' ? { build: localOnly(image) } : image))
  const releases = Object.values(charts).flatMap((chart) =>
    typeof chart === 'string' ? localOnly(chart) : [localOnly(chart.chart), ...[chart.valuesFiles ?? []].flat()],
  )
  const files = [manifests].flat().map((each) => (typeof each === 'string' ? each : undefined))
  const encrypted = [secrets].flat().flatMap((each) => (typeof each === 'string' ? each : Object.values(each)))
  const seeds = declaredSeeds(seed).flatMap((stage) => Object.values(stage).flat().map(fileOf))
  const stack = stackFolder(request)
  const paths = [...releases, ...files, ...encrypted, ...[kustomize].flat(), ...seeds].filter((path) => path !== undefined)
  return [
    ...builds.flatMap(({ build, dockerfile = 'Dockerfile' }: { build?: string | undefined; dockerfile?: string | undefined }) =>
      build === undefined ? [] : [{ path: resolve(stack, build), dockerfile }],
    ),
    ...paths.map((path) => ({ path: resolve(stack, path) })),
    // What a test itself names is relative to its file.
    ...sources.map((path) => ({ path: resolve(folder, path) })),
  ]
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

/** Not what `.dockerignore` keeps out of a build. */
function isMeant(file: string, { path, dockerfile }: Pattern): boolean {
  if (!isPartOf(file, path)) return false
  return dockerfile === undefined || !isIgnored(relative(path, file), path, dockerfile)
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
