import { formatDuration, pluralOf } from '../../support/format.ts'
import { type RunRecord, type SuiteRecord, hasFailed } from '../model.ts'
import { filterPage } from './script.ts'
import { styles } from './styles.ts'
import { renderSuite } from './suite.ts'
import { type Html, html } from './tag.ts'
import { bar } from './timeline.ts'

/** The report as one page that needs nothing else: it can be opened from a file, mailed, or kept as an artifact of a CI job. */
export function renderPage(run: RunRecord, relative: (path: string) => string): string {
  // What failed comes first.
  const suites = run.suites.toSorted((a, b) => Number(hasFailed(b)) - Number(hasFailed(a)))
  const tests = suites.flatMap((suite) => suite.tests)
  const failed = suites.filter(hasFailed).length
  const count = (state: string) => tests.filter((test) => test.state === state).length
  return `<!doctype html>\n${
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'" />
        <title>${failed > 0 ? `✗ ${failed} failed` : '✓ passed'} – vitest-kubernetes</title>
        <style>
          ${{ html: styles }}
        </style>
      </head>
      <body>
        <header>
          <h1>Kubernetes suites</h1>
          <p class="meta">
            <time datetime="${new Date(run.started).toISOString()}">${new Date(run.started).toUTCString()}</time>,
            ${formatDuration(endOf(run) - run.started)}
          </p>
          <ul class="totals">
            ${total(suites.length, 'suite', '')}${total(failed, 'suite', 'failed')}${total(count('failed'), 'test', 'failed')}${total(count('passed'), 'test', 'passed')}${total(count('skipped'), 'test', 'skipped')}
          </ul>
        </header>
        ${toolbar}
        <main>
          <section aria-labelledby="overview">
            <h2 id="overview">Clusters</h2>
            <div class="scroll">
              <table class="timeline">
                <thead>
                  <tr>
                    <th scope="col">Suite</th>
                    <th scope="col">Start</th>
                    <th scope="col">Duration</th>
                    <th scope="col" class="lane">Timeline</th>
                  </tr>
                </thead>
                <tbody>
                  ${suites.map((suite, index) => overviewRow(run, suite, index))}
                </tbody>
              </table>
            </div>
            <p class="legend">
              <span class="key setup"></span>set-up <span class="key tests"></span>tests <span class="key teardown"></span>teardown
            </p>
          </section>
          ${suites.map((suite, index) => renderSuite(suite, index, { runEnd: endOf(run), relative }))}
          <p id="nothing" hidden>Nothing matches.</p>
        </main>
        <script>
          ;(${{ html: filterPage.toString() }})()
        </script>
      </body>
    </html>`.html
  }\n`
}

function endOf({ ended }: RunRecord): number {
  return ended ?? Date.now()
}

function total(count: number, what: string, state: string): Html {
  return count > 0 ? html`<li class="${state}"><strong>${count}</strong> ${pluralOf(count, what)} ${state}</li>` : html``
}

const kinds = ['tests', 'workloads', 'events', 'bridges', 'steps']

const toolbar = html`<form class="toolbar" role="search" aria-label="Filter">
  <label>Search <input type="search" id="search" placeholder="pod, test, image …" /></label>
  <label
    >Show
    <select id="state">
      <option value="">everything</option>
      <option value="failed">what failed</option>
    </select></label
  >
  <fieldset>
    <legend>Rows</legend>
    ${kinds.map((kind) => html`<label><input type="checkbox" name="kind" value="${kind}" checked /> ${kind}</label>`)}
  </fieldset>
  <button type="button" id="theme">Dark or light</button>
</form>`

function overviewRow(run: RunRecord, suite: SuiteRecord, index: number): Html {
  const span = { start: run.started, end: endOf(run) }
  const end = suite.ended ?? span.end
  const ready = suite.ready ?? end
  const finished = suite.finished ?? end
  const state = hasFailed(suite) ? 'failed' : 'passed'
  return html`<tr>
    <th scope="row">
      <span class="mark ${state}" role="img" aria-label="${state}">${state === 'failed' ? '✗' : '✓'}</span>
      <a href="#suite-${index}">${suite.name}</a>
    </th>
    <td>+${formatDuration(suite.started - span.start)}</td>
    <td>${formatDuration(end - suite.started)}</td>
    <td class="lane">
      ${bar(span, suite.started, ready, 'setup', 'set-up')}${bar(span, ready, finished, 'tests', 'tests')}${bar(span, finished, end, 'teardown', 'teardown')}
    </td>
  </tr>`
}
