import type { ServiceKind, Survey } from './survey.ts'

/** A suite that passes in any repository: it uses services, and names the rest of what there is in comments. */
export function firstSuite({ services, images, manifests, overlays, charts }: Omit<Survey, 'folder'>, up: string): string {
  const [kind] = services
  const path = (folder: string) => `'${folder === '.' ? up : `${up}/${folder}`}'`
  const hints = [
    ...(images.length > 0 ? [`images: [${images.map(path).join(', ')}],`] : []),
    ...(manifests.length > 0 ? [`manifests: [${manifests.map(path).join(', ')}],`] : []),
    ...(overlays.length > 0 ? [`kustomize: ${path(overlays[0]!)},`] : []),
    ...charts.slice(0, 1).map((chart) => `charts: { ${nameOf(chart)}: ${path(chart)} },`),
  ]
  const options = [
    ...(services.length > 0 ? [`services: { ${services.map((each) => `${keys[each]}: ${each}()`).join(', ')} },`] : []),
    ...(hints.length > 0 ? ['// What this repository has besides: uncomment it to run it too.'] : []),
    ...hints.map((hint) => `// ${hint}`),
  ]
  const names = ['describe', 'expect', ...services].toSorted().join(', ')
  const body = kind ? bodies[kind] : bare
  return `import { ${names} } from 'vitest-kubernetes'

describe.withCluster(
  'first',
  {
${options.map((line) => `    ${line}\n`).join('')}  },
  (test) => {
    test('${body.name}', async ({ cluster }) => {
${body.lines.map((line) => `      ${line}\n`).join('')}    })
  },
)
`
}

function nameOf(folder: string): string {
  const name = folder.split('/').at(-1)!
  return /^[a-z]\w*$/i.test(name) ? name : `'${name === '.' ? 'app' : name}'`
}

const keys: Readonly<Record<ServiceKind, string>> = {
  postgres: 'db',
  mysql: 'mysql',
  mariadb: 'mariadb',
  redis: 'cache',
  rabbitmq: 'queue',
  nats: 'nats',
  mongodb: 'mongo',
  kafka: 'kafka',
}

interface Body {
  readonly name: string
  readonly lines: readonly string[]
}

const bare: Body = {
  name: 'the cluster runs',
  lines: [
    `const { status } = await cluster.get('deployment/coredns', { namespace: 'kube-system' })`,
    `expect(status).toMatchObject({ readyReplicas: 1 })`,
  ],
}

const exec = (name: string, key: string, command: string, expected: string): Body => ({
  name,
  lines: [`const { stdout } = await cluster.exec('${key}', ${command})`, `expect(stdout).toContain('${expected}')`],
})

const bodies: Readonly<Record<ServiceKind, Body>> = {
  postgres: {
    name: 'the database answers',
    lines: [`expect(await cluster.sql('db', 'select 1 as one')).toEqual([{ one: 1 }])`],
  },
  redis: exec('the cache answers', 'cache', `['redis-cli', 'ping']`, 'PONG'),
  mysql: exec('the database answers', 'mysql', `['mysqladmin', '--version']`, 'mysqladmin'),
  mariadb: exec('the database answers', 'mariadb', `['mariadb-admin', '--version']`, 'mariadb-admin'),
  rabbitmq: exec('the queue answers', 'queue', `['rabbitmq-diagnostics', '-q', 'ping']`, 'Ping succeeded'),
  nats: { name: 'NATS has an address', lines: [`expect(cluster.services.nats.url).toMatch(/^nats:/)`] },
  mongodb: { name: 'MongoDB has an address', lines: [`expect(cluster.services.mongo.url).toMatch(/^mongodb:/)`] },
  kafka: { name: 'Kafka has an address', lines: [`expect(cluster.services.kafka.port).toBeGreaterThan(0)`] },
}
