import { createServer } from 'node:http'

import { app } from './app.ts'

createServer(app).listen(3000)
