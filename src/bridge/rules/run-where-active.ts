import type { ContainerShell } from '../../docker/container-shell.ts'
import type { ShellScript } from '../../support/shell-script.ts'

/** Takes something off a node. One that has stopped has no rules left, and one that is paused sends nothing on. */
export async function runWhereActive(shell: ContainerShell, script: ShellScript, options: { readonly timeout: number }): Promise<void> {
  try {
    await shell.run(script, options)
  } catch (error) {
    if (await shell.isActive()) throw error
  }
}
