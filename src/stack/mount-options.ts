/** Where a folder of this machine goes in a pod. */
export interface MountTarget {
  /** Absolute path in the container. */
  readonly path: string
  /** The container that gets it. @default all containers of the pod, but for init containers */
  readonly container?: string | undefined
  /** Whether the container cannot write to it. @default false */
  readonly readOnly?: boolean | undefined
}
