import { setTimeout as sleep } from 'node:timers/promises'

import type { Carrier } from './carrier.ts'

/** Who has called a relay, and at which of its ports. */
export interface Call {
  readonly protocol: string
  readonly port: number
  readonly address: string
  readonly from: number
}

interface WaitOptions {
  readonly open: () => Promise<Carrier>
  /** Called for each, with the carrier that is theirs. */
  readonly onCall: (call: Call, carrier: Carrier) => void
  readonly signal: AbortSignal
}

/** Carriers that wait, besides those for callers who wait already. */
const spare = 8

/** Milliseconds until the next try where the relay does not answer: another one may take its place. */
const pause = 100

/** Keeps carriers open that wait for callers, so that nobody who calls waits for one. */
export function waitForCallers({ open, onCall, signal }: WaitOptions): void {
  let waiting = 0
  const fill = (wanted: number) => {
    while (waiting < wanted && !signal.aborted) {
      waiting++
      void wait()
    }
  }
  const wait = async () => {
    const called = await waitOnce(open)
    waiting--
    if (!called) {
      await sleep(pause)
      return fill(spare)
    }
    const [protocol = '', port, address = '', from, others] = called.text.split(' ')
    fill(spare + Number(others))
    onCall({ protocol, port: Number(port), address, from: Number(from) }, called.carrier)
  }
  fill(spare)
}

/** undefined where the carrier has ended, which whoever calls sees. */
async function waitOnce(open: WaitOptions['open']): Promise<{ readonly carrier: Carrier; readonly text: string } | undefined> {
  try {
    const carrier = await open()
    return { carrier, text: await carrier.read() }
  } catch {
    return undefined
  }
}
