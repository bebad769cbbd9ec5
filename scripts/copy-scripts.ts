import { copyFile, glob } from 'node:fs/promises'

// What is read from beside the code that uses it: scripts that run on nodes (src/support/shell-script.ts), and objects.
for await (const file of glob(['src/**/*.sh', 'src/**/*.json'])) await copyFile(file, file.replace('src', 'dist'))
