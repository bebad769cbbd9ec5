import { createKit } from './kit/kit.ts'
import { ensurePrograms } from './kit/programs.ts'

// Usage: node scripts/build-programs.ts (the build does it, and the set-up where Go is installed)
await ensurePrograms(createKit())
