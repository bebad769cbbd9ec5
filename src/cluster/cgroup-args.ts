/**
 * Arguments for k3s where the host has cgroup v1: kubelet 1.35 and later ends there unless told otherwise, which looks like a
 * create that hangs (kubernetes/enhancements#5573). Older ones up to 1.30 do not know the argument.
 * @param image node image, whose tag tells the version
 */
export function cgroupArgs(
  cgroupVersion: 1 | 2,
  { image, agents, k3sArgs }: { readonly image: string; readonly agents: number; readonly k3sArgs: readonly string[] },
): readonly string[] {
  const minor = Number(/[:-]v?1\.(\d+)\.\d+/.exec(image)?.[1] ?? 0)
  if (cgroupVersion === 2 || minor < 35 || k3sArgs.some((arg) => arg.includes('fail-cgroupv1'))) return []
  const nodes = agents > 0 ? ['server:*', 'agent:*'] : ['server:*']
  return nodes.map((filter) => `--kubelet-arg=fail-cgroupv1=false@${filter}`)
}
