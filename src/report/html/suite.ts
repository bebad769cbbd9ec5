import { counted, formatDuration } from '../../support/format.ts'
import { describeSide } from '../describe-side.ts'
import { type BundleFile, type PodRecord, type SuiteRecord, type TestRecord, hasFailed } from '../model.ts'
import { timingsOf } from '../timings.ts'
import { type Html, html } from './tag.ts'
import { type Row, type Span, bar, rowGroup, tick } from './timeline.ts'

/** Warnings that are rows; all events stand below. */
const shownWarnings = 100
/** Characters of one file in the page. The folder has all of it. */
const fileLimit = 60_000

export interface SuiteContext {
  /** When the run ended, for what has not ended by itself. */
  readonly runEnd: number
  readonly relative: (path: string) => string
}

export function renderSuite(suite: SuiteRecord, index: number, { runEnd, relative }: SuiteContext): Html {
  const span = { start: suite.started, end: suite.ended ?? runEnd }
  const state = hasFailed(suite) ? 'failed' : 'passed'
  const id = `suite-${index}`
  return html`<section class="suite" id="${id}" data-state="${state}" aria-labelledby="${id}-name">
    <h2 id="${id}-name">
      <span class="mark ${state}" role="img" aria-label="${state}">${state === 'failed' ? '✗' : '✓'}</span> ${suite.name}
    </h2>
    <p class="meta">${relative(suite.file)}${suite.cluster ? html` · cluster <code>${suite.cluster}</code>` : ''}</p>
    <dl class="timings">
      ${Object.entries(timingsOf(suite)).map(
        ([step, time]) =>
          html`<div>
            <dt>${step}</dt>
            <dd>${formatDuration(time)}</dd>
          </div>`,
      )}
    </dl>
    ${suite.failure === undefined ? '' : html`<pre class="error">${suite.failure}</pre>`}
    ${suite.tests
      .filter(({ errors }) => errors.length > 0)
      .map(
        ({ name, errors }) =>
          html`<details class="error" open>
            <summary>${name}</summary>
            ${errors.map((error) => html`<pre>${error}</pre>`)}
          </details>`,
      )}
    <div class="scroll">
      <table class="timeline">
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Start</th>
            <th scope="col">Duration</th>
            <th scope="col" class="lane">${axis(span)}</th>
          </tr>
        </thead>
        ${rowGroup(
          span,
          'tests',
          suite.tests.map((test) => testRow(test, span, suite.bundle && `${id}-bundle`)),
        )}${rowGroup(span, 'workloads', podRows(suite, span))}${rowGroup(span, 'events', eventRows(suite, span))}${rowGroup(span, 'bridges', bridgeRows(suite, span))}${rowGroup(span, 'steps', stepRows(suite, span))}
      </table>
    </div>
    <p class="legend">
      <span class="key pending"></span>pending <span class="key running"></span>running <span class="key ready"></span>ready
      <span class="key bad"></span>failing <span class="key done"></span>completed or ending
    </p>
    ${suite.dropped > 0 ? html`<p class="meta">${suite.dropped} older entries are left out.</p>` : ''}
    ${listOf(
      'All events',
      suite.events.map(
        (event) =>
          `+${formatDuration(Math.max(0, event.at - span.start))}  ${event.type}  ${event.object}  ${event.reason}: ${event.message}`,
      ),
    )}
    ${listOf(
      'Requests that bridges received',
      suite.requests.map(({ at, workload, method, url }) => `+${formatDuration(at - span.start)}  ${workload}  ${method} ${url}`),
    )}
    ${
      suite.bundle
        ? html`<details class="bundle" id="${id}-bundle">
            <summary>State of the cluster at the first failure</summary>
            <p class="meta">${relative(suite.bundle.folder)}</p>
            ${suite.bundle.files.map(bundleFile)}
          </details>`
        : ''
    }
  </section>`
}

function axis({ start, end }: Span): readonly Html[] {
  return [0, 25, 50, 75].map(
    (percent) => html`<span class="axis" style="left:${percent}%">+${formatDuration(((end - start) * percent) / 100)}</span>`,
  )
}

function stepRows({ steps }: SuiteRecord, span: Span): readonly Row[] {
  return steps.map(({ step, text, state, start, duration }) => ({
    name: html`<b>${step}</b> ${text}`,
    state: state === 'failed' ? 'failed' : '',
    start,
    duration: state === 'note' ? undefined : duration,
    lane: [
      state === 'note' ? tick(span, start, 'note', text) : bar(span, start, start + duration, state === 'failed' ? 'bad' : 'step', text),
    ],
  }))
}

function podRows({ pods }: SuiteRecord, span: Span): readonly Row[] {
  return troubledFirst(pods).map(({ namespace, name, states, restarts, end }) => {
    const until = end ?? span.end
    const start = states[0]?.at ?? span.start
    return {
      name: html`${namespace === 'default' ? '' : `${namespace}/`}${name}${restarts > 0 ? html` <small>${counted(restarts, 'restart')}</small>` : ''}
        <small>${states.at(-1)?.state}</small>`,
      state: isTroubled({ states }) ? 'failed' : '',
      start,
      duration: until - start,
      lane: states.map(({ state, at }, index) => bar(span, at, states[index + 1]?.at ?? until, phaseOf(state), state)),
    }
  })
}

function troubledFirst(pods: readonly PodRecord[]): readonly PodRecord[] {
  return pods.toSorted((a, b) => Number(isTroubled(b)) - Number(isTroubled(a)))
}

function isTroubled({ states }: Pick<PodRecord, 'states'>): boolean {
  return states.some(({ state }) => phaseOf(state) === 'bad')
}

/** The colour of a state. */
export function phaseOf(state: PodRecord['states'][number]['state']): string {
  if (state === 'Ready') return 'ready'
  if (state === 'Running') return 'running'
  if (['Succeeded', 'Completed', 'Terminating'].includes(state)) return 'done'
  if (/^(?:Init:)?(?:Pending|ContainerCreating|PodInitializing)$/.test(state)) return 'pending'
  return 'bad'
}

function bridgeRows({ bridges, requests }: SuiteRecord, span: Span): readonly Row[] {
  return bridges.map(({ workload, side, start, end = span.end }) => ({
    name: html`${workload} <small>${describeSide(side)}</small>`,
    state: '',
    start,
    duration: end - start,
    lane: [
      bar(span, start, end, 'bridge', `${workload} ${describeSide(side)}`),
      ...requests
        .filter((request) => request.workload === workload && request.at >= start && request.at <= end)
        .map(({ at, method, url }) => tick(span, at, 'request', `${method} ${url}`)),
    ],
  }))
}

function testRow({ name, state, start, duration }: TestRecord, span: Span, bundle: string | undefined): Row {
  return {
    name: state === 'failed' && bundle ? html`<a href="#${bundle}" class="open">${name}</a>` : name,
    state,
    start,
    duration,
    lane: [bar(span, start, start + Math.max(1, duration), state === 'failed' ? 'bad' : 'tests', name)],
  }
}

function eventRows({ events }: SuiteRecord, span: Span): readonly Row[] {
  return events
    .filter(({ type }) => type === 'Warning')
    .slice(-shownWarnings)
    .map(({ at, object, reason, message }) => ({
      name: html`<b>${object}</b> ${reason}: ${message}`,
      state: '',
      start: at,
      duration: undefined,
      lane: [tick(span, at, 'warning', `${reason}: ${message}`)],
    }))
}

function listOf(title: string, lines: readonly string[]): Html {
  return lines.length > 0
    ? html`<details>
        <summary>${title} (${lines.length})</summary>
        <pre>${lines.join('\n')}</pre>
      </details>`
    : html``
}

function bundleFile({ path, text }: BundleFile, index: number): Html {
  const left = text.length - fileLimit
  const shown = left > 0 ? `(the first ${left} characters are only in the folder)\n${text.slice(left)}` : text
  return html`<details${index === 0 ? html` open` : ''}><summary><code>${path}</code></summary><pre>${shown}</pre></details>`
}
