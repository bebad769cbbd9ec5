/** Where a folder of this machine goes in a pod. */
export interface MountTarget {
  /** Absolute path in the container. */
  readonly path: string
  /** @default all containers of the pod, but for init containers */
  readonly container?: string | undefined
  /** @default false */
  readonly readOnly?: boolean | undefined
}
