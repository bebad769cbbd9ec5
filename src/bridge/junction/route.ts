import type { Socket } from 'node:net'

import type { Endpoint } from '../rules/endpoint.ts'
import type { RequestHead, RequestMatch } from './match.ts'

/** A local side that takes requests, or copies of them. */
export interface Route {
  readonly id: string
  readonly endpoint: Endpoint
  /** undefined for everything, whatever its protocol. */
  readonly match: readonly RequestMatch[] | undefined
  /** Whether it gets copies only. */
  readonly mirror: boolean
}

/** Who answers one request, and who gets a copy of it. No endpoint stands for the original. */
export interface Decision {
  readonly answers: Endpoint | undefined
  readonly copies: readonly Endpoint[]
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
}

/** One protocol: takes connections, and knows which of them wait for an answer. */
export interface ProtocolJunction extends Disposable {
  accept(socket: Socket): void
  isBusy(socket: Socket): boolean
}
