import { createKit } from './kit/kit.ts'
import { ensureRelay } from './kit/relay.ts'

// Usage: node scripts/build-relay.ts (the build does it, and the set-up where Go is installed)
await ensureRelay(createKit())
