/** Takes products from the stock of the service `products`. */
export function stockOf(productsUrl: string, stockToken: string) {
  return async (sku: string, quantity: number): Promise<number | undefined> => {
    const response = await fetch(`${productsUrl}/stock/${encodeURIComponent(sku)}/take`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stockToken}`, 'content-type': 'application/json' },
      body: JSON.stringify({ quantity }),
      signal: AbortSignal.timeout(2_000),
    })
    if (response.status === 409) return undefined
    if (!response.ok) throw new Error(`The stock answered ${response.status}.`)
    return ((await response.json()) as { cents: number }).cents
  }
}
