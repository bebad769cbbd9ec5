import { defineConfig } from 'vitepress'

/** Where links to files outside of this folder lead, such as `https://github.com/owner/name/blob/main`. Without it they are text. */
const repository = process.env.DOCS_REPOSITORY

export default defineConfig({
  title: 'vitest-kubernetes',
  description: 'Integration tests against real Kubernetes clusters, as easy to write as unit tests.',
  cleanUrls: true,
  lastUpdated: false,
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Guide', link: '/getting-started' },
      { text: 'Options', link: '/options' },
      { text: 'Errors', link: '/errors' },
    ],
    sidebar: [
      { text: 'Start', items: [page('Getting started'), page('Guides'), page('Coming from other tools', 'coming-from')] },
      {
        text: 'Write suites',
        items: [page('Suites'), page('Stack'), page('Images'), page('Bridge'), page('Neighbours in trouble', 'neighbours')],
      },
      { text: 'Develop', items: [page('Develop', 'dev'), page('Front end', 'front-end'), page('Debugging')] },
      {
        text: 'Run them',
        items: [
          page('Lifecycle'),
          page('Speed'),
          page('Command line', 'cli'),
          page('CI'),
          page('Reports', 'report'),
          page('Troubleshooting'),
        ],
      },
      {
        text: 'Reference',
        items: [page('Options'), page('Plugin settings', 'plugin'), page('Errors'), page('Security'), page('Not supported')],
      },
      { text: 'Contribute', items: [page('Architecture'), page('What is tested'), page('Without a registry', 'offline')] },
    ],
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
            const href = token.attrGet('href')
            if (token.type === 'link_open' && href?.startsWith('../')) {
              if (repository) token.attrSet('href', `${repository}/${href.slice(3)}`)
              else isOutside = true
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

function page(text: string, name = text.toLowerCase().replaceAll(' ', '-')) {
  return { text, link: `/${name}` }
}
