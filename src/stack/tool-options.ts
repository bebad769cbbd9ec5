/** What the tools of Kubernetes bring into a stack. Paths are relative to the test file. */
export interface ToolOptions {
  /**
   * Folders with a `kustomization.yaml`, rendered by `kubectl kustomize`; what comes out is treated as `manifests` are.
   * @default []
   * @example
   * kustomize: './k8s/overlays/test'
   */
  readonly kustomize?: string | readonly string[] | undefined
  /**
   * Helm releases by name, or charts alone. They are installed once `manifests`, `kustomize` and `secrets` are applied.
   * @default {}
   * @example
   * charts: { shop: { chart: './charts/shop', values: { replicas: 2 } } }
   */
  readonly charts?: Readonly<Record<string, string | ChartOptions>> | undefined
  /**
   * Files encrypted by sops: manifests, and files of keys and values (`.env`, `.json`, `.yaml`) by the name of the Secret that they
   * become. They are decrypted in memory.
   * @default []
   * @example
   * secrets: ['./k8s/registry.enc.yaml', { 'shop-keys': './shop.enc.env' }]
   */
  readonly secrets?: string | Readonly<Record<string, string>> | readonly (string | Readonly<Record<string, string>>)[] | undefined
  /** Where sops finds its keys, unless the variables of sops say so. @default {} */
  readonly sops?: SopsOptions | undefined
}

export interface SopsOptions {
  /** File of age keys, used instead of the one that SOPS_AGE_KEY_FILE names. */
  readonly ageKeyFile?: string | undefined
}

/** A Helm release. */
export interface ChartOptions {
  /** A folder or archive (starting with `.` or `/`), `oci://…`, a URL, or the name of a chart in `repo`. */
  readonly chart: string
  /** URL of the chart repository, such as `https://charts.example.com`. */
  readonly repo?: string | undefined
  /** Version of a chart of a repository or registry. @default the latest */
  readonly version?: string | undefined
  /** Values, on top of `valuesFiles`. What is `null` takes a default of the chart away; what is undefined is left out. @default {} */
  readonly values?: Readonly<Record<string, unknown>> | undefined
  /** Files of values, each on top of those before it. Those that sops has encrypted are decrypted in memory. @default [] */
  readonly valuesFiles?: string | readonly string[] | undefined
  /**
   * What templates find in `.Capabilities.APIVersions` besides Kubernetes' own and the CustomResourceDefinitions of the suite, when
   * they are rendered before there is a cluster. `group/version`, and with a kind `group/version/Kind`.
   * @default []
   */
  readonly apiVersions?: readonly string[] | undefined
  /** Made if it is not there. @default 'default' */
  readonly namespace?: string | undefined
  /**
   * Whether Helm waits for the release's workloads, Jobs included, before the hooks that come after. With `false` such a hook may be
   * what the workloads wait for; the suite waits for them in any case.
   * @default true
   */
  readonly wait?: boolean | undefined
  /** Milliseconds for each of Helm's waits. @default what is left of `setupTimeout` */
  readonly timeout?: number | undefined
}
