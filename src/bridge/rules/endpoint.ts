/** Where connections are opened to. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}
