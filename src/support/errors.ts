import { tmpdir } from 'node:os'

/**
 * Every error code of this package. A code is never renamed or reused: match on it in scripts and CI jobs.
 */
export type ErrorCode =
  | 'ERR_BRIDGE_ALREADY_BRIDGED'
  | 'ERR_BRIDGE_CONTAINER_NOT_FOUND'
  | 'ERR_BRIDGE_HOST_NETWORK'
  | 'ERR_BRIDGE_HOST_UNREACHABLE'
  | 'ERR_BRIDGE_LOCAL_FAILED'
  | 'ERR_BRIDGE_NO_PODS'
  | 'ERR_BRIDGE_NO_PORTS'
  | 'ERR_BRIDGE_NO_SERVICE'
  | 'ERR_BRIDGE_NOT_LISTENING'
  | 'ERR_BRIDGE_NOT_RECEIVED'
  | 'ERR_BRIDGE_PORT_NOT_FOUND'
  | 'ERR_BRIDGE_RULES_FAILED'
  | 'ERR_BRIDGE_UNSUPPORTED'
  | 'ERR_BROKER_CONNECTION_LOST'
  | 'ERR_BROKER_NOT_RUNNING'
  | 'ERR_CLUSTER_CREATE_FAILED'
  | 'ERR_CLUSTER_FORK_FAILED'
  | 'ERR_CLUSTER_HOST_LIMITS'
  | 'ERR_CLUSTER_IN_USE'
  | 'ERR_CLUSTER_K3D_NOT_FOUND'
  | 'ERR_CLUSTER_KUBECONFIG'
  | 'ERR_CLUSTER_LEASE_LOST'
  | 'ERR_CLUSTER_LEFTOVERS'
  | 'ERR_CLUSTER_NAMESPACE'
  | 'ERR_CLUSTER_SCOPE'
  | 'ERR_CLUSTER_NETWORK_OVERLAP'
  | 'ERR_CLUSTER_NOT_FOUND'
  | 'ERR_CLUSTER_NO_IPV6'
  | 'ERR_CLUSTER_NOT_ENOUGH_MEMORY'
  | 'ERR_CLUSTER_SHARED_CONFLICT'
  | 'ERR_COMMAND_FAILED'
  | 'ERR_DISK_FULL'
  | 'ERR_DOCKER_REQUEST_FAILED'
  | 'ERR_DOCKER_UNAVAILABLE'
  | 'ERR_HELM_CHART_NOT_FOUND'
  | 'ERR_HELM_FAILED'
  | 'ERR_HELM_VALUES'
  | 'ERR_INTERNAL'
  | 'ERR_IMAGE_BUILD_FAILED'
  | 'ERR_IMAGE_IMPORT_FAILED'
  | 'ERR_IMAGE_NO_REGISTRY'
  | 'ERR_IMAGE_NOT_FOUND'
  | 'ERR_IMAGE_PUSH_FAILED'
  | 'ERR_IMAGE_TOO_LARGE'
  | 'ERR_KUBE_EXEC_FAILED'
  | 'ERR_KUBE_NOT_FOUND'
  | 'ERR_KUBE_REQUEST_FAILED'
  | 'ERR_KUBE_UNREACHABLE'
  | 'ERR_KUSTOMIZE_FAILED'
  | 'ERR_MANIFEST_INVALID'
  | 'ERR_MANIFEST_NOT_FOUND'
  | 'ERR_MANIFEST_REJECTED'
  | 'ERR_MOUNT_NOT_FOUND'
  | 'ERR_OPTIONS_INVALID'
  | 'ERR_PORT_IN_USE'
  | 'ERR_READY_CHECK_FAILED'
  | 'ERR_SEED_FAILED'
  | 'ERR_SEED_NO_DATABASE'
  | 'ERR_SEED_NOT_FOUND'
  | 'ERR_SEED_RESET_FAILED'
  | 'ERR_SERVICE_NO_ENDPOINTS'
  | 'ERR_SERVICE_NOT_FOUND'
  | 'ERR_SETUP_CANCELLED'
  | 'ERR_REPORT_NOT_FOUND'
  | 'ERR_SETUP_TIMEOUT'
  | 'ERR_SOPS_FAILED'
  | 'ERR_SOPS_KEY_NOT_FOUND'
  | 'ERR_SOPS_MAC_MISMATCH'
  | 'ERR_SOPS_WRONG_KEY'
  | 'ERR_STACK_NOT_FOUND'
  | 'ERR_TEMPLATE_INVALID'
  | 'ERR_TOOL_NOT_FOUND'
  | 'ERR_WORKLOAD_FAILED'
  | 'ERR_WORKLOAD_NOT_READY'

/** What may accompany an error: the original one, and what the user does next. */
export interface ErrorDetails {
  readonly cause?: unknown
  readonly hint?: string | undefined
}

/**
 * The one error class of this package.
 *
 * @example
 * try { await cluster.apply('./k8s/broken.yaml') } catch (error) {
 *   if (error instanceof ClusterTestError && error.code === 'ERR_MANIFEST_REJECTED') console.log(error.hint)
 * }
 */
export class ClusterTestError extends Error {
  override readonly name: string = 'ClusterTestError'
  /** Stable across releases. */
  readonly code: ErrorCode
  /** What to do about it. Also the last line of `message`, because test reporters print only that. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(details.hint ? `${message}\nHint: ${details.hint}` : message, 'cause' in details ? { cause: details.cause } : {})
    this.code = code
    this.hint = details.hint
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  const [first, ...later] = inOrder(error)
  return (first instanceof Error ? first.message : String(first)) + describeLater(later)
}

/** What was thrown first, and what the clean-up after it threw: `using` puts the last one in front, with a message that tells neither. */
function inOrder(error: unknown): readonly unknown[] {
  return error instanceof SuppressedError ? [...inOrder(error.suppressed), ...inOrder(error.error)] : [error]
}

/** One error that tells all of it: the first, where it was thrown. */
export function inOne(error: unknown): unknown {
  const [first, ...later] = inOrder(error)
  if (first instanceof Error) first.message += describeLater(later)
  return first
}

function describeLater(errors: readonly unknown[]): string {
  return errors.map((each) => `\nThe clean-up failed too: ${messageOf(each)}`).join('')
}

/** An error as plain data, to cross a process boundary. */
export interface SerializedClusterTestError {
  readonly code: ErrorCode
  readonly message: string
  readonly hint?: string | undefined
  readonly causes: readonly string[]
}

/** @param redact takes out of its texts what is not to leave the process */
export function serializeError(thrown: unknown, redact: (text: string) => string = (text) => text): SerializedClusterTestError {
  const { code, message, hint, causes } = serializeWhole(thrown)
  return { code, message: redact(message), hint: hint && redact(hint), causes: causes.map(redact) }
}

function serializeWhole(thrown: unknown): SerializedClusterTestError {
  const [first, ...later] = inOrder(thrown)
  const error = asDiskFull(first) ?? first
  const causes: string[] = []
  for (let cause = error instanceof Error ? error.cause : undefined; cause instanceof Error; cause = cause.cause) {
    // Our own errors repeat the words of what they come from.
    if (!(cause instanceof ClusterTestError)) causes.push(cause.message)
  }
  if (!(error instanceof ClusterTestError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { code: 'ERR_INTERNAL', message: text + describeLater(later), causes }
  }
  return { code: error.code, message: withoutHint(error) + describeLater(later), hint: error.hint, causes }
}

/** Anything that writes may meet it, ours, a tool's or the Docker engine's. */
function asDiskFull(error: unknown): ClusterTestError | undefined {
  if (!(error instanceof Error) || error instanceof ClusterTestError) return undefined
  const hint = diskFullHint(error.message)
  return hint === undefined ? undefined : new ClusterTestError('ERR_DISK_FULL', `A disk is full: ${error.message}.`, { hint })
}

/** For what Node.js, a tool or the Docker engine says; undefined when it speaks of something else. */
export function diskFullHint(text: string): string | undefined {
  if (!/\b(?:ENOSPC|EDQUOT)\b|no space left on device|disk quota exceeded/i.test(text)) return undefined
  return `Free space in "${tmpdir()}", or set TMPDIR to a folder that has some; "docker system df" shows what Docker takes.`
}

/** The message of an error as it was given, to make another one of it. */
export function withoutHint({ message, hint }: ClusterTestError): string {
  return hint ? message.slice(0, -`\nHint: ${hint}`.length) : message
}

export function deserializeError({ code, message, hint, causes }: SerializedClusterTestError): ClusterTestError {
  const cause = causes.reduceRight<Error | undefined>((inner, text) => new Error(text, inner && { cause: inner }), undefined)
  return new ClusterTestError(code, message, cause ? { cause, hint } : { hint })
}
