/** Of the page: colours that keep a contrast of 4.5 in both themes, and no font or picture from elsewhere. */
export const styles = `
:root { color-scheme: light dark; --page: light-dark(#f6f7f9, #14171c); --card: light-dark(#fff, #1c2027); --text: light-dark(#1b1f24, #e6e9ee);
  --soft: light-dark(#596270, #a3adba); --line: light-dark(#d9dee5, #343b46); --accent: light-dark(#1f5fbf, #7db2ff);
  --good: light-dark(#177245, #58c98b); --bad: light-dark(#c0262d, #ff7b7b); --warn: light-dark(#9a6200, #f0b455);
  --run: light-dark(#5b8def, #5b8def); --idle: light-dark(#b5bdc9, #596270); --bridge: light-dark(#7a4fc0, #b794f6); }
:root[data-theme=light] { color-scheme: light } :root[data-theme=dark] { color-scheme: dark }
* { box-sizing: border-box }
[hidden] { display: none !important }
body { margin: 0 auto; max-width: 1400px; padding: 24px; background: var(--page); color: var(--text); font: 14px/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 24px } h2 { margin: 0 0 4px; font-size: 18px }
a { color: var(--accent) } a:focus-visible, summary:focus-visible, input:focus-visible, select:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
code, pre { font: 12px/1.5 ui-monospace, monospace }
.meta, small { color: var(--soft) } .meta { margin: 0 0 12px; overflow-wrap: anywhere } small { font-size: 12px; font-weight: 400; margin-left: 4px }
.totals { display: flex; flex-wrap: wrap; gap: 8px; margin: 0 0 16px; padding: 0; list-style: none }
.totals li { padding: 6px 14px; border: 1px solid var(--line); border-radius: 999px; background: var(--card) } .totals strong { font-size: 16px }
.passed { color: var(--good) } .failed { color: var(--bad) } .skipped { color: var(--soft) }
.toolbar { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin: 0 -8px 16px; padding: 10px 8px; background: var(--page); border-bottom: 1px solid var(--line) }
.toolbar fieldset { display: flex; flex-wrap: wrap; gap: 4px 12px; border: 0; margin: 0; padding: 0 } .toolbar legend { float: left; margin-right: 4px; padding: 0 }
.toolbar legend { color: var(--soft) }
input[type=search], select, button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px }
button { margin-left: auto; cursor: pointer }
section { margin-bottom: 20px; padding: 18px; border: 1px solid var(--line); border-radius: 10px; background: var(--card) }
section[data-state=failed] { border-left: 4px solid var(--bad) } section[data-state=passed] { border-left: 4px solid var(--good) }
.timings { display: flex; flex-wrap: wrap; gap: 6px 20px; margin: 0 0 12px } .timings dt { color: var(--soft); font-size: 12px } .timings dd { margin: 0; font-variant-numeric: tabular-nums; font-weight: 600 }
.scroll { overflow-x: auto }
table.timeline { width: 100%; min-width: 760px; border-collapse: collapse; table-layout: fixed }
.timeline th, .timeline td { padding: 3px 8px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
.timeline thead th { color: var(--soft); font-size: 12px; font-weight: 500 }
.timeline th:first-child { width: 40% } .timeline th:nth-child(2), .timeline th:nth-child(3) { width: 88px }
.timeline td { font-variant-numeric: tabular-nums; white-space: nowrap } .timeline .row th { font-weight: 400; overflow-wrap: anywhere }
.group th { padding-top: 12px; color: var(--soft); font-size: 11px; letter-spacing: .08em; text-transform: uppercase }
.lane { position: relative; min-height: 24px }
.axis { position: absolute; padding-left: 4px; border-left: 1px solid var(--line); font-size: 11px; white-space: nowrap }
.bar { position: absolute; top: 5px; height: 14px; min-width: 3px; border-radius: 3px; background: var(--run) }
.tick { position: absolute; top: 3px; height: 18px; width: 3px; margin-left: -1px; border-radius: 2px; background: var(--soft) }
.step, .setup { background: var(--run) } .tests, .ready { background: var(--good) } .running { background: var(--run) } .teardown, .done, .pending { background: var(--idle) }
.pending { background: repeating-linear-gradient(45deg, var(--idle) 0 4px, transparent 4px 7px) }
.bar.bad, .key.bad { background: var(--bad) } .warning { background: var(--warn) } .bridge { background: var(--bridge); opacity: .55 } .request { background: var(--bridge) }
.legend { margin: 8px 0 0; color: var(--soft); font-size: 12px } .key { display: inline-block; width: 14px; height: 10px; margin: 0 4px 0 10px; border-radius: 2px }
details { margin-top: 10px } summary { cursor: pointer; font-weight: 600 } details details { margin-left: 16px } details details summary { font-weight: 400 }
pre { margin: 6px 0; padding: 12px; max-height: 480px; overflow: auto; border: 1px solid var(--line); border-radius: 6px; background: var(--page); white-space: pre-wrap; overflow-wrap: anywhere }
pre.error, .error pre { border-left: 3px solid var(--bad) }
@media (max-width: 640px) {
  body { padding: 12px } section { padding: 12px } .toolbar { position: static } button { margin-left: 0 }
  table.timeline, .timeline tbody { display: block; min-width: 0 } .timeline thead { display: none }
  .timeline tr { display: grid; grid-template-columns: 1fr auto auto; padding: 6px 0; border-bottom: 1px solid var(--line) }
  .timeline th, .timeline td, .timeline th:first-child { width: auto; padding: 0 6px; border: 0; overflow-wrap: anywhere } .timeline .group th { grid-column: 1 / -1; padding-top: 6px }
  .timeline .lane { grid-column: 1 / -1; margin: 2px 6px 0; padding: 0 }
}
@media print { .toolbar { display: none } body { max-width: none } }
`
