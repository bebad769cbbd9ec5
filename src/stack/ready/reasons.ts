/** What could still help: any new object, an end of something that takes room, or anything at all that is still starting. */
export type Needs = 'objects' | 'room' | 'anything'

/**
 * What a reason means for a wait. `wait`: it passes by itself, or says nothing about readiness. `final`: nothing helps.
 * `unless`: final unless something is still starting that may help. `after`: milliseconds that it must last.
 */
export type Rule =
  | { readonly verdict: 'wait' }
  | { readonly verdict: 'final'; readonly after: number }
  | { readonly verdict: 'unless'; readonly needs: Needs; readonly after: number }

/** One rule, or rules by message, of which the last one is for all others. */
type Entry = Rule | readonly [...(readonly [RegExp, Rule])[], Rule]

const wait: Rule = { verdict: 'wait' }
const final = (after = 2000): Rule => ({ verdict: 'final', after })
const unless = (needs: Needs, after: number): Rule => ({ verdict: 'unless', needs, after })

/** Milliseconds for what heals by itself more often than not: a registry or a driver that does not answer at the moment. */
const patient = 30_000

const isAbsent = /not found|non-existent|couldn't find key|no such key/
const isPassing = /timed out|timeout|deadline exceeded|Unavailable|too many requests|try again|EOF|connection reset/i

const volume: Entry = [
  // Another request for the same volume still runs, or the API server has not answered kubelet in time.
  [/failed to sync \w+ cache|operation .* already (?:exists|pending)/, unless('anything', patient)],
  [/kube-root-ca\.crt/, unless('objects', patient)],
  [isAbsent, unless('objects', 3000)],
  [/driver name .* not found|hostPath type check failed|is not a (?:directory|file|socket|block|character)/, unless('anything', 3000)],
  [isPassing, unless('anything', patient)],
  unless('anything', 10_000),
]

const pull: Entry = [
  [/localhost|127\.0\.0\.1|\.svc\b/, unless('anything', 3000)],
  [/denied|unauthorized|authentication required|no basic auth/i, unless('objects', 0)],
  // What a second try would not change.
  [/not found|no such host|connection refused|manifest unknown|not present with pull policy|invalid reference/i, final(0)],
  unless('anything', 15_000),
]

const rejection = unless('anything', 5000)

const refusal: Entry = [
  [
    /object is being deleted|AlreadyExists|already exists|etcdserver|Too Many Requests|status unknown for quota/i,
    unless('anything', patient),
  ],
  [/exceeded quota/, unless('room', 5000)],
  [/failed calling webhook|failed to call webhook/, unless('anything', 10_000)],
  [/is being terminated/, final()],
  unless('objects', 2000),
]

const all = (rule: Entry, ...names: string[]): Record<string, Entry> => Object.fromEntries(names.map((name) => [name, rule]))

/**
 * Every reason of Kubernetes 1.36 that an object, a pod or a container can have for not being ready, and every event.
 * A test compares it with the reasons in the sources: fixtures/kubernetes/reasons.json.
 */
export const reasons = {
  /** Of a container that waits or has ended. */
  container: {
    ...all(wait, 'ContainerCreating', 'PodInitializing', 'CrashLoopBackOff'),
    ErrImagePull: pull,
    ImagePullBackOff: pull,
    ErrImageNeverPull: final(0),
    InvalidImageName: final(0),
    ImageInspectError: unless('anything', 10_000),
    RegistryUnavailable: unless('anything', 15_000),
    SignatureValidationFailed: final(0),
    CreateContainerConfigError: [
      [/have not yet been read/, wait],
      [/failed to sync \w+ cache/, unless('anything', patient)],
      [isAbsent, unless('objects', 2000)],
      [/runAsNonRoot|runAsUser|non-numeric user/, final()],
      unless('anything', 5000),
    ],
    CreateContainerError: [[/is reserved for|deadline exceeded/, unless('anything', patient)], unless('anything', 2000)],
    RunContainerError: [[/deadline exceeded/, unless('anything', patient)], unless('anything', 2000)],
    ...all(unless('anything', 2000), 'PreCreateHookError', 'PreStartHookError', 'RROUnsupported'),
    ImageVolumeMountFailed: unless('anything', 10_000),
    // The container is ended, and started again with the back-off of a crash.
    PostStartHookError: wait,
    // How it has ended: a crash is judged by how often.
    ...all(wait, 'Completed', 'Error', 'OOMKilled', 'ContainerStatusUnknown', 'StartError', 'ContainerCannotRun'),
    // Of what kubelet does, never of a container's state.
    ...all(wait, 'KillContainerError', 'RemoveContainerError', 'ResizePodInPlaceError'),
    ...all(wait, 'CreatePodSandboxError', 'ConfigPodSandboxError', 'KillPodSandboxError'),
  },

  /** Of a pod that kubelet has not taken, or has ended. Its controller makes another one, which meets the same. */
  pod: {
    ...all(rejection, 'AppArmor', 'PodLevelResourcesNotSupported', 'PodFeatureUnsupported', 'NodeDeclaredFeatures', 'SysctlForbidden'),
    ...all(rejection, 'PodOSSelectorNodeLabelDoesNotMatch', 'PodOSNotSupported', 'SupplementalGroupsPolicyNotSupported'),
    ...all(rejection, 'InitContainerRestartPolicyForbidden', 'UnexpectedAdmissionError', 'UnexpectedPredicateFailureType'),
    ...all(rejection, 'InvalidNodeInfo', 'UnknownReason', 'PredicateFailed', 'VolumeAttachmentLimitExceeded', 'EmptyPodSharedPoolError'),
    ...all(rejection, 'NodeAffinity', 'NodeName', 'NodePorts', 'NodeUnschedulable', 'TaintToleration', 'TopologyAffinityError'),
    // `OutOfcpu`, `OutOfnvidia.com/gpu` and so on.
    ...all(rejection, 'OutOf', 'Evicted', 'DeadlineExceeded'),
    ...all(wait, 'NodeShutdown', 'NodeLost', 'Terminated', 'Preempting'),
  },

  /** Of a condition that is not as it should be. */
  condition: {
    Unschedulable: [
      [/untolerated taint.*node\.kubernetes\.io\/(?:not-ready|unreachable|network-unavailable|disk-pressure)/, unless('anything', 60_000)],
      // Pods of Jobs end and leave room; another one of the same kind does not.
      [/Insufficient (?:cpu|memory|ephemeral-storage)|Too many pods|free ports/, unless('room', 5000)],
      [
        /node affinity|node selector|requested node name|untolerated taint|persistent volumes to bind|non-existent pv/,
        unless('objects', 5000),
      ],
      unless('anything', 5000),
    ],
    SchedulingGated: unless('objects', 5000),
    SchedulerError: unless('anything', 15_000),
    FailedCreate: refusal,
    ReplicaSetCreateError: unless('anything', 3000),
    ProgressDeadlineExceeded: unless('anything', 0),
    DeploymentPaused: unless('objects', 1000),
    ...all(final(0), 'BackoffLimitExceeded', 'DeadlineExceeded', 'PodFailurePolicy', 'FailedIndexes', 'MaxFailedIndexesExceeded'),
    ...all(wait, 'FailedDelete', 'ReplicaSetUpdated', 'NewReplicaSetCreated', 'FoundNewReplicaSet', 'NewReplicaSetAvailable'),
    ...all(wait, 'DeploymentResumed', 'SuccessPolicy', 'CompletionsReached', 'JobSuspended', 'JobResumed'),
    ...all(
      wait,
      'ContainersNotInitialized',
      'ContainersNotReady',
      'ReadinessGatesNotReady',
      'PodCompleted',
      'PodFailed',
      'UnknownContainerStatuses',
    ),
    ...all(wait, 'TerminationByKubelet', 'PreemptionByScheduler', 'DeletionByPodGC', 'DeletionByTaintManager'),
    ...all(wait, 'Deferred', 'Infeasible', 'Error', 'RestartAllContainersStarted'),
  },

  /** Of an event, which is the last one about a pod, a workload or a claim. */
  event: {
    // Volumes.
    ...all(volume, 'FailedMount', 'FailedAttachVolume', 'FailedMapVolume', 'FailedMountOnFilesystemMismatch'),
    // The pod's sandbox: its network, its runtime, its image.
    FailedCreatePodSandBox: [
      [/failed to get sandbox image.*(?:not found|no such host|connection refused|denied|unauthorized|manifest unknown)/s, final(3000)],
      [/failed to get sandbox image/, unless('anything', 15_000)],
      [/no runtime for|RuntimeHandler .* not supported/, unless('anything', 3000)],
      unless('anything', patient),
    ],
    NetworkNotReady: unless('anything', patient),
    FailedPodSandBoxStatus: unless('anything', patient),
    FailedCreatePodContainer: unless('anything', patient),
    FailedSync: unless('anything', patient),
    FailedPrepareDynamicResources: unless('anything', 10_000),
    FailedResourceClaimCreation: unless('objects', 3000),
    FailedValidation: final(3000),
    FailedNodeDeclaredFeaturesCheck: rejection,
    // Pods that a workload is refused.
    FailedCreate: refusal,
    SelectingAll: final(1000),
    ConflictingController: unless('anything', 10_000),
    UnknownCompletionMode: final(1000),
    // Claims.
    FailedBinding: unless('objects', 3000),
    ProvisioningFailed: [[/storageclass.* not found|no volume plugin matched/i, unless('objects', 3000)], unless('anything', 15_000)],
    ExternalProvisioning: unless('anything', 20_000),
    Provisioning: unless('anything', 120_000),
    ...all(unless('objects', 3000), 'VolumeMismatch', 'ClaimMisbound'),
    ClaimLost: final(3000),
    // What the state of the pod or its containers says too, and better.
    ...all(
      wait,
      'Failed',
      'BackOff',
      'ErrImageNeverPull',
      'InspectFailed',
      'FailedScheduling',
      'FailedDaemonPod',
      'DeadlineExceeded',
      'ReplicaSetCreateError',
    ),
    ...all(
      wait,
      'FailedPostStartHook',
      'Unhealthy',
      'ProbeWarning',
      'Evicted',
      'Preempting',
      'Preempted',
      'FailedToRetrieveImagePullSecret',
    ),
    // How pods come up.
    ...all(wait, 'Scheduled', 'Pulling', 'Pulled', 'Created', 'Started', 'SandboxChanged', 'BindingConditionsPending', 'ResizeStarted'),
    ...all(wait, 'SuccessfulAttachVolume', 'SuccessfulMountVolume', 'AlreadyMountedVolume', 'VolumePermissionChangeInProgress'),
    ...all(wait, 'WaitForFirstConsumer', 'WaitForPodScheduled', 'ProvisioningSucceeded', 'ExternalExpanding', 'Resizing'),
    ...all(wait, 'SuccessfulCreate', 'SucceededDaemonPod', 'ScalingReplicaSet', 'Completed', 'Suspended', 'Resumed', 'WorkloadCreated'),
    ...all(wait, 'MigrationSucceeded', 'MigrationFailed', 'DNSConfigForming', 'CheckLimitsForResolvConf', 'MissingClusterDNS'),
    ...all(wait, 'HostIPsIPFamilyMismatch', 'LifecycleHTTPFallback', 'PossibleMemoryBackedVolumesOnDisk', 'MultipleSELinuxLabels'),
    ...all(wait, 'CertificateExpired', 'CertificateOverdueForRefresh', 'Denied'),
    // How they go.
    ...all(wait, 'Killing', 'FailedKillPod', 'FailedPreStopHook', 'ExceededGracePeriod', 'SuccessfulDelete', 'FailedDelete'),
    ...all(wait, 'TaintManagerEviction', 'DeviceTaintManagerEviction', 'NodeControllerEviction', 'DeletingAllPods', 'TooManySucceededPods'),
    ...all(wait, 'ResizeCompleted', 'ResizeError', 'ResizeDeferred', 'ResizeInfeasible', 'DeploymentRollback'),
    ...all(wait, 'DeploymentRollbackRevisionNotFound', 'DeploymentRollbackTemplateUnchanged'),
    ...all(
      wait,
      'VolumeResizeFailed',
      'VolumeResizeSuccessful',
      'FileSystemResizeFailed',
      'FileSystemResizeSuccessful',
      'VolumeConditionAbnormal',
    ),
    ...all(wait, 'VolumeDelete', 'VolumeFailedDelete', 'VolumeFailedRecycle', 'VolumeRecycled', 'RecyclerPod'),
    ...all(wait, 'ProvisioningCleanupFailed', 'VolumeUnknownReclaimPolicy'),
    // Of nodes.
    ...all(wait, 'NodeReady', 'NodeNotReady', 'NodeSchedulable', 'NodeNotSchedulable', 'Ready', 'Starting', 'Rebooted', 'Shutdown'),
    ...all(wait, 'KubeletSetupFailed', 'ContainerGCFailed', 'ImageGCFailed', 'FailedNodeAllocatableEnforcement', 'NodeAllocatableEnforced'),
    ...all(wait, 'CgroupV1', 'InvalidDiskCapacity', 'InvalidImageID', 'FreeDiskSpaceFailed', 'EvictionThresholdMet', 'SystemOOM'),
    ...all(wait, 'RegisteredNode', 'RemovingNode', 'NodeHasDiskPressure', 'NodeHasInsufficientMemory', 'NodeHasInsufficientPID'),
    ...all(wait, 'NodeHasNoDiskPressure', 'NodeHasSufficientMemory', 'NodeHasSufficientPID'),
    // Of objects that no wait is for: CronJobs, autoscalers, budgets, endpoints.
    ...all(wait, 'JobAlreadyActive', 'MissingJob', 'SawCompletedJob', 'FailedGet', 'InvalidSchedule', 'MissSchedule', 'TooManyMissedTimes'),
    ...all(wait, 'UnParseableCronJobSchedule', 'UnexpectedJob', 'UnknownTimeZone', 'UnparseableSchedule', 'UnsupportedSchedule'),
    ...all(wait, 'SuccessfulRescale', 'AmbiguousSelector', 'FailedComputeMetricsReplicas', 'FailedGetScale', 'FailedRescale'),
    ...all(wait, 'FailedUpdateStatus', 'InvalidSelector', 'SelectorRequired', 'ScaleDownStabilized', 'ScaleUpStabilized'),
    ...all(wait, 'NoPods', 'CalculateExpectedPodCountFailed', 'MultiplePodDisruptionBudgets', 'NotDeleted', 'UnmanagedPods'),
    ...all(wait, 'FailedToCreateEndpoint', 'FailedToUpdateEndpoint', 'FailedToListEndpointSlices', 'FailedToListPods'),
    ...all(wait, 'FailedToUpdateEndpointSlices', 'InvalidIPAddress', 'TooManyAddressesToMirror', 'OwnerRefInvalidNamespace'),
    ...all(wait, 'KubernetesServiceCIDRError'),
  },
} as const satisfies Record<string, Record<string, Entry>>

/** The rule for a reason; what nobody knows is waited for. */
export function ruleFor(area: keyof typeof reasons, reason: string, message = ''): Rule {
  const rules: Readonly<Record<string, Entry>> = reasons[area]
  const entry = rules[reason] ?? (area === 'pod' && reason.startsWith('OutOf') ? rules['OutOf'] : undefined)
  if (!entry) return wait
  if (!isList(entry)) return entry
  for (const each of entry) {
    if (!Array.isArray(each)) return each as Rule
    const [pattern, rule] = each as [RegExp, Rule]
    if (pattern.test(message)) return rule
  }
  return wait
}

function isList(entry: Entry): entry is Exclude<Entry, Rule> {
  return Array.isArray(entry)
}
