import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

// Usage: npm run release -- 1.2.0
// Makes a version of what is unreleased: CHANGELOG.md, package.json, a commit and a tag. Nothing is pushed or published: that is for a
// CI job on the tag, `npm publish`, because only there npm can sign where the package comes from (provenance).

/**
 * @param folder work tree of the repository
 * @throws Error for a version that is no later one, a work tree with changes, a changelog without news, or no `origin` on GitHub
 */
export async function release(folder: string, version: string, date = new Date().toISOString().slice(0, 10)): Promise<void> {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
  const [manifestPath, changelogPath] = [join(folder, 'package.json'), join(folder, 'CHANGELOG.md')]
  const manifest = JSON.parse(await readFile(manifestPath, 'utf8')) as { version: string }
  const tags = git('tag', '--list', 'v*').split('\n').filter(Boolean)
  if (!isLater(version, tags.length > 0 ? manifest.version : undefined))
    throw new Error(`Expected a version such as 1.2.0 that is later than ${manifest.version}, got "${version}".`)
  if (git('status', '--porcelain') !== '') throw new Error('There are changes that are not committed.')
  const changelog = releaseNotes(await readFile(changelogPath, 'utf8'), version, date)
  const home = repositoryOf(git('remote', 'get-url', 'origin'))

  const places = { repository: { type: 'git', url: `git+${home}.git` }, homepage: `${home}#readme`, bugs: `${home}/issues` }
  await writeFile(manifestPath, `${JSON.stringify({ ...manifest, version, ...places }, null, 2)}\n`)
  await writeFile(changelogPath, changelog)
  git('commit', '--quiet', '--message', `Release ${version}`, 'package.json', 'CHANGELOG.md')
  git('tag', '--annotate', `v${version}`, '--message', `Version ${version}`)
}

/** The changelog with the entries of `## [Unreleased]` below a heading of their own. */
export function releaseNotes(changelog: string, version: string, date: string): string {
  const heading = '## [Unreleased]\n'
  const [before = '', after = ''] = changelog.split(heading)
  if (!after.split(/^## /m)[0]!.trim()) throw new Error('CHANGELOG.md has nothing below "## [Unreleased]".')
  return `${before}${heading}\n## [${version}] - ${date}\n${after}`
}

/** Where people find the repository: `git@github.com:o/n.git` and `https://…/o/n.git` are `https://github.com/o/n`. */
export function repositoryOf(remote: string): string {
  const [, path] = /^(?:https:\/\/github\.com\/|(?:ssh:\/\/)?git@github\.com[:/])([\w.-]+\/[\w.-]+?)(?:\.git)?\/?$/.exec(remote) ?? []
  if (!path)
    throw new Error(`Expected the remote "origin" to be on GitHub, got "${remote}": npm's provenance and the README's links need it.`)
  return `https://github.com/${path}`
}

function isLater(version: string, current: string | undefined): boolean {
  const [next, last] = [version, current ?? '0.0.0'].map((text) => /^(\d+)\.(\d+)\.(\d+)$/.exec(text)?.slice(1).map(Number))
  if (!next || !last) return false
  const at = next.findIndex((part, index) => part !== last[index])
  return at >= 0 && next[at]! > last[at]!
}

if (import.meta.main) {
  const [version = ''] = parseArgs({ allowPositionals: true }).positionals
  await release(join(import.meta.dirname, '..'), version).then(
    () =>
      console.log(`Version ${version} is committed and tagged. Next: git push --follow-tags, and \`npm publish\` in a CI job on the tag.`),
    (error: Error) => {
      console.error(error.message)
      process.exitCode = 1
    },
  )
}
