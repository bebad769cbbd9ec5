import { defineConfig } from 'vitepress'

/** Where links to files outside of this folder lead, such as `https://github.com/owner/name/blob/main`. Without it they are text. */
const repository = process.env.DOCS_REPOSITORY

/** Files outside of this folder that are pages too. */
const included = { 'CHANGELOG.md': './changelog.md', 'CONTRIBUTING.md': './contributing.md' }

/** Pictures follow the switch of the site, not the system. Wide ones scroll on a phone, as tables do: shrunk, nobody could read them. */
const style = `html:not(.dark) { color-scheme: light }
@media (max-width: 640px) {
  .vp-doc p:has(> img) { overflow-x: auto }
  .vp-doc p > img:is([src*='speed'], [src*='report']) { max-width: none; width: 720px }
}`

export default defineConfig({
  title: 'vitest-kubernetes',
  description: 'Integration tests against real Kubernetes clusters, as easy to write as unit tests.',
  cleanUrls: true,
  lastUpdated: false,
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: '/favicon.svg' }],
    ['style', {}, style],
  ],
  // The style knows pictures by their names.
  vite: { build: { assetsInlineLimit: 0 } },
  themeConfig: {
    logo: '/favicon.svg',
    search: {
      provider: 'local',
      // A list of tests would be in the way of every search.
      options: { _render: (source, env, md) => (env.relativePath === 'what-is-tested.md' ? '' : md.render(source, env)) },
    },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/getting-started' },
      { text: 'Options', link: '/options' },
      { text: 'Errors', link: '/errors' },
      { text: 'Changelog', link: '/changelog' },
    ],
    sidebar: [
      { text: 'Start', items: [page('Getting started'), page('How it works', 'concepts'), page('Coming from other tools', 'coming-from')] },
      {
        text: 'Guides',
        items: [
          page('All guides', 'guides'),
          page('Databases'),
          page('Queues'),
          page('gRPC and HTTP/2', 'grpc'),
          page('Breakpoints', 'debugging'),
          page('Coverage'),
          page('Monorepos'),
          page('Front end'),
          page('CI'),
          { text: 'Slim images', link: '/images#slim-images' },
          page('Docker Desktop'),
          page('Remote engines and dev containers', 'remote-docker'),
          page('Existing clusters', 'clusters'),
          page('Offline'),
        ],
      },
      {
        text: 'Write suites',
        items: [page('Suites'), page('Stack'), page('Images'), page('Bridge'), page('Neighbours in trouble', 'neighbours')],
      },
      {
        text: 'Run and develop',
        items: [page('Lifecycle'), page('Speed'), page('Develop', 'dev'), page('Reports', 'report')],
      },
      {
        text: 'Reference',
        items: [page('Options'), page('Command line', 'cli'), page('Plugin settings', 'plugin'), page('Errors')],
      },
      {
        text: 'Help',
        items: [page('Troubleshooting'), page('Security'), page('Not supported yet', 'not-supported')],
      },
      {
        text: 'Contribute',
        collapsed: true,
        items: [page('Contributing'), page('Architecture'), page('What is tested'), page('Benchmarks')],
      },
    ],
    notFound: {
      title: 'There is no such page',
      quote: 'It may have moved: try the search.',
      linkText: 'Go to the start page',
      linkLabel: 'Go to the start page',
    },
    ...(repository && {
      socialLinks: [{ icon: 'github', link: repository.replace(/\/blob\/.*/, '') }],
      editLink: { pattern: `${repository.replace('/blob/', '/edit/')}/docs/:path`, text: 'Edit this page' },
    }),
  },
  markdown: {
    config(md) {
      // Pages are GitHub's too, where links may leave this folder.
      md.core.ruler.push('pages-of-github', ({ tokens }) => {
        for (const { children } of tokens) {
          let isOutside = false
          for (const token of children ?? []) {
            // Helm's {{ }} are not Vue's.
            if (token.type === 'code_inline') token.attrSet('v-pre', '')
            if (token.type === 'link_open') {
              const href = pageOf(token.attrGet('href') ?? '')
              token.attrSet('href', href)
              if (href.startsWith('../')) {
                if (repository) token.attrSet('href', `${repository}/${href.slice(3)}`)
                else isOutside = true
              }
            }
            if (!isOutside) continue
            if (token.type === 'link_close') isOutside = false
            if (token.type.startsWith('link_')) [token.type, token.content, token.tag, token.nesting] = ['text', '', '', 0]
          }
        }
      })
    },
  },
})

/** Of a link to, or in, a page that is outside of this folder. */
function pageOf(href: string): string {
  for (const [file, page] of Object.entries(included)) if (href === file || href === `../${file}`) return page
  return href.replace(/^docs\//, './')
}

function page(text: string, name = text.toLowerCase().replaceAll(' ', '-')) {
  return { text, link: `/${name}` }
}
