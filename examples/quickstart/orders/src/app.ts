import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'

import { HttpError, isQuantity, jsonApi, readJson, type Reply } from './http.ts'

export interface Order {
  readonly id: string
  readonly sku: string
  readonly quantity: number
}

export interface OrderStore {
  isReady(): boolean
  save(order: Order): Promise<void>
  find(id: string): Promise<Order | undefined>
}

export interface OrdersOptions {
  readonly store: OrderStore
  readonly inventoryUrl: string
}

export function ordersApp({ store, inventoryUrl }: OrdersOptions): RequestListener {
  return jsonApi(async (request, [resource, id]): Promise<Reply> => {
    const route = `${request.method} /${resource}${id === undefined ? '' : '/:id'}`
    switch (route) {
      case 'GET /healthz':
        return store.isReady() ? { status: 200, body: { ready: true } } : { status: 503, body: { ready: false } }
      case 'POST /orders': {
        const order = { id: randomUUID(), ...(await readOrder(request)) }
        await reserve(inventoryUrl, order)
        await store.save(order)
        return { status: 201, body: order }
      }
      case 'GET /orders/:id': {
        const order = await store.find(id!)
        if (!order) throw new HttpError(404, `There is no order "${id}".`)
        return { status: 200, body: order }
      }
      default:
        throw new HttpError(404, `Nothing answers ${request.method} ${request.url}.`)
    }
  })
}

async function readOrder(request: IncomingMessage): Promise<{ sku: string; quantity: number }> {
  const { sku, quantity } = Object(await readJson(request)) as Record<string, unknown>
  if (typeof sku !== 'string' || sku === '') throw new HttpError(400, 'Expected "sku" to be a text.')
  if (!isQuantity(quantity)) throw new HttpError(400, 'Expected "quantity" to be a positive integer.')
  return { sku, quantity }
}

async function reserve(inventoryUrl: string, { sku, quantity }: Order): Promise<void> {
  const response = await fetch(`${inventoryUrl}/stock/${encodeURIComponent(sku)}/reserve`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ quantity }),
    signal: AbortSignal.timeout(5_000),
  }).catch((cause: unknown) => {
    throw new HttpError(502, 'The inventory does not answer.', { cause })
  })
  if (response.ok) return
  const { error } = Object(await response.json()) as { error?: string }
  if (response.status === 404 || response.status === 409) throw new HttpError(response.status, error ?? response.statusText)
  throw new HttpError(502, `The inventory answered ${response.status}.`)
}
