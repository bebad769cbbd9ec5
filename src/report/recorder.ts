import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'

import { isPublicName } from '../kube/secrets.ts'
import { slug } from '../support/identity.ts'
import type { Progress } from '../support/progress.ts'
import { type Redact, createRedactor } from '../support/redact.ts'
import type { BridgeRecord, EventRecord, PodRecord, RequestRecord, RunRecord, SuiteRecord } from './model.ts'

/** What is kept of one suite, at most. */
const limits = { steps: 500, pods: 300, states: 50, events: 1000, bridges: 200, requests: 1000 }

/** Collects what happens in a run, within bounds. */
export interface Recorder {
  readonly run: RunRecord
  /** Where reports go; undefined when none are written. */
  readonly folder: string | undefined
  readonly redact: Redact
  /** The first one of a run removes the reports of the last run. */
  suite(identity: Pick<SuiteRecord, 'id' | 'name' | 'file'>): Promise<SuiteRecorder>
  find(id: string): SuiteRecord | undefined
  /** Forgets the suites, before tests run again in watch mode. */
  reset(): void
}

/** Collects what happens in one suite. */
export interface SuiteRecorder {
  readonly record: SuiteRecord
  readonly progress: Progress
  /** Folder of the suite's bundle; undefined when no reports are written. */
  readonly folder: string | undefined
  readonly redact: Redact
  addSecrets(values: Iterable<string>): void
  /** A name that shows anyway and so cannot be secret. */
  addName(name: string): void
  pod(uid: string, pod: { readonly namespace: string; readonly name: string; readonly state: string; readonly restarts: number }): void
  podGone(uid: string): void
  event(event: EventRecord): void
  bridge(bridge: Omit<BridgeRecord, 'start' | 'end'>): void
  bridgeEnded(id: string): void
  addRequests(requests: readonly RequestRecord[]): void
}

export function createRecorder(folder: string | undefined): Recorder {
  const names = new Set<string>()
  const { add, redact } = createRedactor((value) => isPublicName(names, value))
  const folders = new Set<string>()
  let run: RunRecord = { started: Date.now(), ended: undefined, suites: [] }
  let cleaned: Promise<void> | undefined
  const shared: Shared = {
    addSecrets: add,
    addName: (name) => void names.add(name),
    redact,
  }

  return {
    get run() {
      return run
    },
    folder,
    redact: shared.redact,
    async suite(identity) {
      await (cleaned ??= folder ? rm(folder, { recursive: true, force: true }) : Promise.resolve())
      const path = folder && join(folder, unusedName(folders, identity))
      const recorder = createSuiteRecorder(identity, path, shared)
      run.suites.push(recorder.record)
      return recorder
    },
    // A test that is repeated in watch mode has the id that it had.
    find: (id) => run.suites.findLast((suite) => suite.id === id),
    reset() {
      run = { started: Date.now(), ended: undefined, suites: [] }
      folders.clear()
      cleaned = undefined
    },
  }
}

type Shared = Pick<SuiteRecorder, 'addSecrets' | 'addName' | 'redact'>

function unusedName(used: Set<string>, { name, file }: Pick<SuiteRecord, 'name' | 'file'>): string {
  const wanted = `${slug(basename(file).replace(/\.\w+$/, ''), 40)}-${slug(name, 40)}`
  let found = wanted
  for (let number = 2; used.has(found); number++) found = `${wanted}-${number}`
  used.add(found)
  return found
}

function createSuiteRecorder(
  identity: Pick<SuiteRecord, 'id' | 'name' | 'file'>,
  folder: string | undefined,
  shared: Shared,
): SuiteRecorder {
  const record: SuiteRecord = {
    ...identity,
    started: Date.now(),
    ended: undefined,
    cluster: undefined,
    ready: undefined,
    finished: undefined,
    failure: undefined,
    steps: [],
    pods: [],
    events: [],
    bridges: [],
    requests: [],
    tests: [],
    dropped: 0,
    bundle: undefined,
  }
  const pods = new Map<string, PodRecord>()
  const push = <T>(list: T[], limit: number, ...items: readonly T[]) => {
    list.push(...items)
    const surplus = Math.max(0, list.length - limit)
    list.splice(0, surplus)
    record.dropped += surplus
  }
  const { redact } = shared

  return {
    ...shared,
    record,
    folder,
    progress({ kind, step, text, duration = 0 }) {
      if (kind === 'start') return
      push(record.steps, limits.steps, { step, text: redact(text), state: kind, start: Date.now() - duration, duration })
    },
    pod(uid, { namespace, name, state, restarts }) {
      let pod = pods.get(uid)
      if (!pod) {
        pod = { namespace, name, states: [], restarts, end: undefined }
        pods.set(uid, pod)
        push(record.pods, limits.pods, pod)
      }
      pod.restarts = restarts
      if (pod.states.at(-1)?.state !== state) push(pod.states, limits.states, { state, at: Date.now() })
    },
    podGone(uid) {
      const pod = pods.get(uid)
      if (pod) pod.end ??= Date.now()
      pods.delete(uid)
    },
    event: (event) => push(record.events, limits.events, { ...event, message: redact(event.message) }),
    bridge: (bridge) => push(record.bridges, limits.bridges, { ...bridge, start: Date.now(), end: undefined }),
    bridgeEnded(id) {
      const bridge = record.bridges.find((each) => each.id === id)
      if (bridge) bridge.end ??= Date.now()
    },
    addRequests: (more) => push(record.requests, limits.requests, ...more.map((each) => ({ ...each, url: redact(each.url) }))),
  }
}
