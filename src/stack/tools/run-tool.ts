import { ClusterTestError } from '../../support/errors.ts'
import { CommandError, type RunCommandOptions, runCommand } from '../../support/run-command.ts'

/** Programs that only some stacks need, and how to get each. */
const tools = {
  helm: 'Install Helm 4 (https://helm.sh/docs/intro/install)',
  kubectl: 'Install kubectl (https://kubernetes.io/docs/tasks/tools)',
  sops: 'Install sops (https://github.com/getsops/sops/releases)',
} as const

export type Tool = keyof typeof tools

/**
 * Runs a tool from PATH.
 * @param purpose what needs it, for the message: `option \`charts\``
 * @throws ClusterTestError `ERR_TOOL_NOT_FOUND` with how to get it; CommandError when it fails
 */
export async function runTool(tool: Tool, args: readonly string[], purpose: string, options: RunCommandOptions = {}): Promise<string> {
  try {
    return await runCommand(tool, args, options)
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new ClusterTestError('ERR_TOOL_NOT_FOUND', `"${tool}", which is needed for ${purpose}, is not on PATH.`, {
      cause: error,
      hint: `${tools[tool]} and put it on PATH.`,
    })
  }
}

function isMissing(error: unknown): boolean {
  const code = error instanceof CommandError && (error.cause as NodeJS.ErrnoException | undefined)?.code
  return code === 'ENOENT' || code === 'EACCES'
}
