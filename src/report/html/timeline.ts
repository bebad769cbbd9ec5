import { formatDuration } from '../../support/format.ts'
import { type Html, html } from './tag.ts'

/** What a lane is as wide as. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A piece of a lane. Its text is in the row's other cells too, so that no one depends on the picture. */
export function bar(span: Span, start: number, end: number, kind: string, text: string): Html {
  if (end <= start) return html``
  return html`<span
    class="bar ${kind}"
    style="left:${percent(span, start)}%;width:${(percent(span, end) - percent(span, start)).toFixed(3)}%"
    title="${text}, ${formatDuration(end - start)}"
  ></span>`
}

/** A moment. */
export function tick(span: Span, at: number, kind: string, text: string): Html {
  return html`<span class="tick ${kind}" style="left:${percent(span, at)}%" title="${text}"></span>`
}

function percent({ start, end }: Span, at: number): number {
  const part = ((Math.min(Math.max(at, start), end) - start) / Math.max(1, end - start)) * 100
  return Number(part.toFixed(3))
}

export interface Row {
  readonly name: Html | string
  readonly state: 'passed' | 'failed' | 'skipped' | ''
  readonly start: number
  readonly duration: number | undefined
  readonly lane: readonly Html[]
}

/** Rows of one kind below a heading of their own. */
export function rowGroup(span: Span, kind: string, rows: readonly Row[]): Html {
  if (rows.length === 0) return html``
  return html`<tbody data-kind="${kind}">
    <tr class="group">
      <th scope="rowgroup" colspan="4">${kind}</th>
    </tr>
    ${rows.map(
      ({ name, state, start, duration, lane }) =>
        html`<tr class="row" data-state="${state}">
          <th scope="row">${marks[state]}${name}</th>
          <td>+${formatDuration(Math.max(0, start - span.start))}</td>
          <td>${duration === undefined ? '' : formatDuration(duration)}</td>
          <td class="lane">${lane}</td>
        </tr>`,
    )}
  </tbody>`
}

const mark = (state: string, sign: string) => html`<span class="mark ${state}" role="img" aria-label="${state}">${sign}</span> `
const marks = { passed: mark('passed', '✓'), failed: mark('failed', '✗'), skipped: mark('skipped', '–'), '': html`` }
