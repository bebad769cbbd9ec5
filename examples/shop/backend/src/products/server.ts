import { Pool } from 'pg'

import { required, serve } from '../serve.ts'
import { productsApp } from './subgraph.ts'

const sql = new Pool({ connectionString: required('DATABASE_URL') })
// An idle connection was lost: the next query opens another one.
sql.on('error', (error) => console.error(`PostgreSQL: ${error.message}`))

await serve(productsApp({ sql, stockToken: required('STOCK_TOKEN') }), () => sql.end())
