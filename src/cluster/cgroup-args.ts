export interface CgroupArgs {
  readonly args: readonly string[]
  /** What people should know of it. */
  readonly note: string | undefined
}

/**
 * Arguments for k3s where the host has cgroup v1: kubelet 1.35 and later ends there unless told otherwise, which looks like a
 * create that hangs (kubernetes/enhancements#5573). Older ones up to 1.30 do not know the argument.
 * @param image node image, whose tag tells the version
 */
export function cgroupArgs(
  cgroupVersion: 1 | 2,
  { image, agents, k3sArgs }: { readonly image: string; readonly agents: number; readonly k3sArgs: readonly string[] },
): CgroupArgs {
  if (cgroupVersion === 2 || k3sArgs.some((arg) => arg.includes('fail-cgroupv1'))) return { args: [], note: undefined }
  const minor = minorVersion(image)
  const nodes = agents > 0 ? ['server:*', 'agent:*'] : ['server:*']
  const args = nodes.map((filter) => `--kubelet-arg=fail-cgroupv1=false@${filter}`)
  if (minor === undefined) {
    const list = args.map((arg) => `"${arg}"`).join(', ')
    return {
      args: [],
      note: `this host uses cgroup v1, and the version of node image "${image}" is unknown: Kubernetes 1.35 or later needs k3sArgs: [${list}]`,
    }
  }
  if (minor < 35) return { args: [], note: undefined }
  return { args, note: `this host uses cgroup v1, which kubelet 1.${minor} refuses: starting it with fail-cgroupv1=false` }
}

/** Of Kubernetes 1, by the tag. A registry's port, a folder and a digest are none. */
function minorVersion(image: string): number | undefined {
  const [, tag] = /:([^:/]+)$/.exec(image.replace(/@.*$/, '')) ?? []
  const minor = /(?:^|-)v?1\.(\d+)\.\d+/.exec(tag ?? '')?.[1]
  return minor === undefined ? undefined : Number(minor)
}
