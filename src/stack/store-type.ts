import { parseImageName } from './images/image-names.ts'

/** A database or cache that we know. */
export type StoreType = 'mariadb' | 'mongodb' | 'postgres' | 'redis'

interface StoreFacts {
  /** Last parts of the names of its images, those of vendors too. */
  readonly images: RegExp
  /** Variables that its image reads at the first start. */
  readonly variables?: RegExp
  readonly port: number
  /** What an image made from one of these is called, most likely. */
  readonly word: RegExp
}

const stores: Readonly<Record<StoreType, StoreFacts>> = {
  postgres: {
    images: /^(?:postgres(?:ql)?|postgis|pgvector|timescaledb(?:-ha)?)$/,
    variables: /^POSTGRES_/,
    port: 5432,
    word: /postg/i,
  },
  mariadb: {
    images: /^(?:mariadb|mysql(?:-server)?|percona(?:-server)?)$/,
    variables: /^(?:MYSQL|MARIADB)_/,
    port: 3306,
    word: /mariadb|mysql/i,
  },
  mongodb: { images: /^mongo(?:db)?$/, variables: /^MONGO_INITDB_/, port: 27_017, word: /mongo/i },
  redis: { images: /^(?:redis(?:-stack(?:-server)?)?|valkey)$/, port: 6379, word: /redis|valkey/i },
}

interface Container {
  readonly image?: string | undefined
  readonly ports?: readonly { readonly containerPort: number }[] | undefined
}

/** The store that a container runs, by its image's name or by the names of its variables. */
export function storeTypeOf({ image = '', ports }: Container, variables: readonly string[]): StoreType | undefined {
  const { base } = parseImageName(image)
  // An application has the same variables where they are its login, and says where the database is.
  const isClient = variables.some((name) => /(?:^|_)(?:HOST|HOSTNAME|PORT|SERVER|ADDR|ADDRESS|URL|URI|DSN)$/.test(name))
  return (
    find(({ images }) => images.test(base)) ??
    find(({ port, ...store }) => !isClient && has(store, variables) && (ports?.some(({ containerPort }) => containerPort === port) ?? true))
  )
}

/** The containers of a pod that run a store where somebody has said that one does: if none does for sure, those that look like it. */
export function findStores<Given extends Container>(
  containers: readonly (Given & { readonly env: Readonly<Record<string, string>> })[],
): readonly (Given & { readonly env: Readonly<Record<string, string>>; readonly type: StoreType })[] {
  const by = (typeOf: (container: Container, variables: readonly string[]) => StoreType | undefined) =>
    containers.flatMap((container) => {
      const type = typeOf(container, Object.keys(container.env))
      return type ? [{ ...container, type }] : []
    })
  const sure = by(storeTypeOf)
  return sure.length > 0 ? sure : by(({ image = '' }, variables) => find((store) => store.word.test(image) || has(store, variables)))
}

function find(isMeant: (store: StoreFacts) => boolean): StoreType | undefined {
  return (Object.keys(stores) as StoreType[]).find((type) => isMeant(stores[type]))
}

function has({ variables: own }: Pick<StoreFacts, 'variables'>, variables: readonly string[]): boolean {
  return own !== undefined && variables.some((name) => own.test(name))
}
