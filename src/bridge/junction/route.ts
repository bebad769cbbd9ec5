import type { Socket } from 'node:net'

import { messageOf } from '../../support/errors.ts'
import type { Endpoint } from '../rules/endpoint.ts'
import type { Disturbance } from './disturbance.ts'
import type { RequestHead, RequestMatch } from './match.ts'
import type { Source } from './source.ts'

/** A local side that takes requests, or copies of them. */
export interface Route {
  readonly id: string
  readonly endpoint: Endpoint
  /** undefined for everything, whatever its protocol. */
  readonly match: readonly RequestMatch[] | undefined
  /** Whether it gets copies only. */
  readonly mirror: boolean
  /** What it does to requests, whoever answers them; nothing is sent to it then. */
  readonly disturbance?: Disturbance | undefined
  /** Told of what its local side does wrong. */
  readonly onProblem?: ((error: unknown) => void) | undefined
}

/** Who answers one request, and who gets a copy of it. No route stands for the original. */
export interface Decision {
  readonly answers: Route | undefined
  readonly copies: readonly Endpoint[]
  readonly disturbance: Disturbance | undefined
}

/** What the protocols need of a junction. */
export interface JunctionParts {
  /** `deployment/orders`, for messages. */
  readonly workload: string
  /** Whether a decision may depend on bodies. */
  readsBodies(): boolean
  decide(head: RequestHead, body?: string): Decision
  /** The container that a connection was meant for. */
  original(socket: Socket): Promise<Endpoint>
  /** Tells the bridge of a local side what that does wrong. */
  blame(route: Route, text: string): void
  /** Told of what fails here, and is no fault of either end. */
  readonly onProblem: (error: unknown) => void
}

/** One protocol: takes connections, and knows which of them wait for an answer. */
export interface ProtocolJunction extends Disposable {
  accept(source: Source): void
  isBusy(socket: Socket): boolean
}

export function cannotReach({ workload }: JunctionParts, answers: Route | undefined, error: unknown): string {
  return `The bridge of "${workload}" cannot reach the ${answers ? 'local side' : 'original'}: ${messageOf(error)}`
}
