/** The program `relay`, which takes connections in place of this machine. */
export interface RelayProgram extends AsyncDisposable {
  /** Of its container, or its pod. */
  readonly name: string
  /** On its network: that of IPv4 first. */
  readonly addresses: readonly string[]
  /** Of this machine's loopback, by which it is reached. */
  readonly port: number
  isRunning(): Promise<boolean>
  watch(onEnded: () => void): void
}
