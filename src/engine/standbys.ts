import { setTimeout as sleep } from 'node:timers/promises'

import { newClusterName } from '../cluster/ownership/owner.ts'
import { type Standby, startStandby } from '../cluster/template/standby.ts'
import { findTemplate } from '../cluster/template/template.ts'
import type { Capacity, Slot } from './capacity.ts'
import type { Endings } from './endings.ts'
import type { ExpectedSuite } from './forecast.ts'
import type { EngineParts } from './parts.ts'
import type { LeaseRequest } from './request.ts'

/** Forks that are made for the suites that are likely to come next, while others run. */
export interface Standbys extends Disposable {
  /** Adds suites, in the order in which they are likely to come. */
  expect(suites: readonly ExpectedSuite[]): void
  /** A suite that has room is set up, until the disposal. */
  begin(request: LeaseRequest): Disposable
  /** The one that waits for such a suite. */
  take(request: LeaseRequest, key: string): Standby | undefined
  /** No suite of the file comes any more. */
  fileEnded(file: string): void
  /** Gives up the one that is needed last, if there is one. */
  makeRoom(): boolean
}

export interface StandbysOptions {
  readonly parts: EngineParts
  readonly capacity: Capacity
  readonly endings: Endings
}

/** One that sleeps or starts, and its room. */
interface Waiting {
  readonly standby: Standby
  readonly slot: Slot
  isStarting: boolean
}

/** Milliseconds until there may be room for one more. */
const lookAgain = 5_000

export function createStandbys({ parts, capacity, endings }: StandbysOptions): Standbys {
  const { docker, owner, k3d, folder } = parts
  /** Who has not come yet, or has no room; in order. */
  const expected: ExpectedSuite[] = []
  /** Who is set up, and has taken none. */
  const inSetUp = new Set<ExpectedSuite>()
  /** For whom one is about to be started. */
  const begun = new Set<ExpectedSuite>()
  const waiting = new Set<Waiting>()
  let suitesInSetUp = 0
  let isClosed = false

  const forget = (suite: ExpectedSuite | undefined) => {
    const index = suite ? expected.indexOf(suite) : -1
    if (index >= 0) expected.splice(index, 1)
  }

  /** Ends those that nobody comes for, and starts what is missing where a processor has nothing else to start. */
  const update = (): void => {
    if (isClosed) return
    const next = expected.slice(0, capacity.limit)
    const spare = [...waiting]
    const served = (suite: ExpectedSuite) => {
      const index = spare.findIndex(({ standby }) => standby.key === suite.key)
      if (index >= 0) spare.splice(index, 1)
      return index >= 0
    }
    for (const suite of inSetUp) served(suite)
    const missing = next.filter((suite) => !served(suite) && !begun.has(suite))
    for (const each of spare) giveUp(each)
    for (const suite of missing) {
      const starting = waiting.values().filter(({ isStarting }) => isStarting)
      if (suitesInSetUp + begun.size + [...starting].length >= docker.processors) return
      begun.add(suite)
      void start(suite).finally(() => {
        begun.delete(suite)
        update()
      })
    }
  }

  /** Whatever fails here, the suite hears of when it comes. */
  async function start(suite: ExpectedSuite): Promise<void> {
    const { key, memory, suite: label, k3sArgs, ipFamily } = suite
    try {
      const template = await findTemplate(docker, key)
      if (!template) return forget(suite)
      const slot = await capacity.lend(memory)
      if (!slot) return await sleep(lookAgain, undefined, { ref: false })
      if (!isWanted(suite)) return slot[Symbol.dispose]()
      const name = newClusterName(owner, label)
      const each: Waiting = {
        standby: startStandby({ name, label, docker, k3d, owner, folder, k3sArgs, ipFamily, template }),
        slot,
        isStarting: true,
      }
      waiting.add(each)
      const settle = (): void => {
        each.isStarting = false
        slot.settle()
        update()
      }
      const fail = (): void => {
        if (waiting.has(each)) giveUp(each)
        forget(suite)
        settle()
      }
      each.standby.started.then(settle, fail)
    } catch {
      forget(suite)
    }
  }

  const isWanted = (suite: ExpectedSuite) => !isClosed && (expected.includes(suite) || inSetUp.has(suite))

  function giveUp(each: Waiting): void {
    waiting.delete(each)
    each.slot[Symbol.dispose]()
    endings.add(Promise.resolve(each.standby[Symbol.asyncDispose]()))
  }

  return {
    expect(suites) {
      expected.splice(0, expected.length, ...suites)
      update()
    },
    begin({ file, suite }) {
      suitesInSetUp++
      const found = expected.find((each) => each.file === file && each.suite === suite)
      forget(found)
      if (found) inSetUp.add(found)
      update()
      return {
        [Symbol.dispose]() {
          suitesInSetUp--
          if (found) inSetUp.delete(found)
          update()
        },
      }
    },
    take({ file, suite }, key) {
      for (const each of inSetUp) if (each.file === file && each.suite === suite) inSetUp.delete(each)
      const found = [...waiting].find(({ standby }) => standby.key === key)
      if (!found) return undefined
      waiting.delete(found)
      found.slot[Symbol.dispose]()
      return found.standby
    },
    fileEnded(file) {
      for (const each of expected.filter((one) => one.file === file)) forget(each)
      update()
    },
    makeRoom() {
      const last = [...waiting].at(-1)
      if (last) giveUp(last)
      return last !== undefined
    },
    [Symbol.dispose]() {
      isClosed = true
      for (const each of waiting) giveUp(each)
    },
  }
}
