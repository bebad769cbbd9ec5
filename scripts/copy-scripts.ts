import { copyFile, glob } from 'node:fs/promises'

// What runs on nodes is read from beside the code that uses it, see src/support/shell-script.ts.
for await (const file of glob('src/**/*.sh')) await copyFile(file, file.replace('src', 'dist'))
