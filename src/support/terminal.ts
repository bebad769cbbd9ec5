import { stripVTControlCharacters, styleText } from 'node:util'

import { formatDuration } from './format.ts'
import type { Progress, ProgressEvent } from './progress.ts'

/** Milliseconds after which a step that is not done says what it is doing. */
const patience = 15_000

/** One line per step when it ends, with its time; steps that take long also say in between that they go on. */
export function createTerminalProgress(write: (line: string) => void): (suite: string) => Progress {
  return (suite) => {
    const running = new Map<string, { text: string; started: number; timer: NodeJS.Timeout }>()
    const print = (mark: string, step: string, text: string, time = '') => write(formatLine(mark, suite, step, text, time))
    return ({ kind, step, text, duration }) => {
      if (kind === 'note') return print(marks.note, step, text)
      const known = running.get(step)
      if (kind === 'start') {
        if (known) known.text = text
        else {
          const entry = {
            text,
            started: performance.now(),
            // A reason may hold what a program has printed.
            timer: setInterval(
              () => print(marks.start, step, entry.text.replaceAll(/\s*\n\s*/g, ' '), formatDuration(performance.now() - entry.started)),
              patience,
            ),
          }
          entry.timer.unref()
          running.set(step, entry)
        }
        return
      }
      clearInterval(known?.timer)
      running.delete(step)
      print(marks[kind], step, text, formatDuration(duration ?? 0))
    }
  }
}

const marks: Readonly<Record<ProgressEvent['kind'], string>> = {
  start: styleText('dim', '…'),
  done: styleText('green', '✓'),
  failed: styleText('red', '✗'),
  note: styleText('yellow', '!'),
}

function formatLine(mark: string, suite: string, step: string, text: string, time: string): string {
  const line = ` ${mark} ${styleText('bold', suite)} ${styleText('cyan', step.padEnd(8))} ${text}`
  const gap = Math.max(2, 96 - stripVTControlCharacters(line).length - time.length)
  return time ? `${line}${' '.repeat(gap)}${styleText('dim', time)}` : line
}
