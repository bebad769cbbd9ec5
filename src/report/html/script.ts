/** What little of the DOM the page uses: the types of browsers are not for this package. */
interface PageElement {
  hidden: boolean
  open: boolean
  checked: boolean
  value: string
  readonly textContent: string
  readonly dataset: Record<string, string | undefined>
  addEventListener(type: string, listener: (event: { preventDefault(): void }) => void): void
  querySelectorAll(selector: string): Iterable<PageElement>
  getAttribute(name: string): string
  scrollIntoView(): void
}

declare const document: {
  readonly documentElement: PageElement
  getElementById(id: string): PageElement
  querySelectorAll(selector: string): Iterable<PageElement>
}
declare const matchMedia: (query: string) => { readonly matches: boolean }

/** Runs in the page, as its own text: it must not use anything from outside. */
export function filterPage(): void {
  const find = (id: string) => document.getElementById(id)
  const all = (selector: string) => [...document.querySelectorAll(selector)]

  const filter = () => {
    const text = find('search').value.trim().toLowerCase()
    const state = find('state').value
    const kinds = new Set(all('[name=kind]').flatMap(({ checked, value }) => (checked ? [value] : [])))
    const matches = (element: PageElement) =>
      element.textContent.toLowerCase().includes(text) && (state === '' || element.dataset['state'] === state)
    let shown = 0
    for (const suite of all('.suite')) {
      // What is asked of the suite holds for all of its rows.
      const isAsked = text !== '' && [...suite.querySelectorAll('h2')].some(({ textContent }) => textContent.toLowerCase().includes(text))
      let rows = 0
      for (const group of suite.querySelectorAll('[data-kind]')) {
        let inGroup = 0
        for (const row of group.querySelectorAll('.row')) {
          row.hidden = !kinds.has(group.dataset['kind'] ?? '') || !(matches(row) || (isAsked && state === ''))
          if (!row.hidden) inGroup++
        }
        group.hidden = inGroup === 0
        rows += inGroup
      }
      suite.hidden = !(state === '' || suite.dataset['state'] === state) || (text !== '' && rows === 0 && !isAsked)
      if (!suite.hidden) shown++
    }
    find('nothing').hidden = shown > 0
  }
  for (const field of all('.toolbar input, .toolbar select')) field.addEventListener('input', filter)
  for (const form of all('form')) form.addEventListener('submit', (event) => event.preventDefault())

  for (const link of all('a.open'))
    link.addEventListener('click', () => {
      const bundle = find(link.getAttribute('href').slice(1))
      bundle.open = true
      bundle.scrollIntoView()
    })

  find('theme').addEventListener('click', () => {
    const { dataset } = document.documentElement
    const isDark = dataset['theme'] ? dataset['theme'] === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
    dataset['theme'] = isDark ? 'light' : 'dark'
  })
}
