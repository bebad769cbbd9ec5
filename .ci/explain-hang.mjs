// node .ci/explain-hang.mjs REPORT
// The report is written when all tests have ended. If their process is there minutes later, says what it waits for, and ends it: a run
// that takes all of its time tells nobody why.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const [reportFile] = process.argv.slice(2)
/** Longer than any teardown may take. */
const patience = 240_000

while (!existsSync(reportFile) || statSync(reportFile).size === 0) await sleep(5_000)
await sleep(patience)
console.log(`\nThe tests have ended ${patience / 60_000} minutes ago, and their process has not.`)
console.log(execFileSync('ps', ['-eo', 'pid,ppid,pgid,lstart,args', '--forest'], { encoding: 'utf8' }))
const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
for (const pid of all.filter((each) => /^[^\0]*node\0[^\0]*\/vitest\0run\0/.test(read(each)) && linkOf(each, 'cwd') === process.cwd())) {
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => `${fd} ${linkOf(pid, `fd/${fd}`)}`)
  console.log(`${pid} has open:\n${files.join('\n')}\nand waits for:\n${await waitsOf(Number(pid)).catch(String)}`)
  end(pid)
}
await sleep(5_000)
// Whoever has what "tee" reads keeps it waiting.
const tee = all.find((each) => read(each).startsWith('tee\0') && linkOf(each, 'cwd') === process.cwd())
const pipe = tee && linkOf(tee, 'fd/0')
for (const pid of all.filter((each) => pipe && each !== tee && [1, 2].some((fd) => linkOf(each, `fd/${fd}`) === pipe))) {
  console.log(`${pid} has the output open: ${read(pid).replaceAll('\0', ' ')}`)
  end(pid)
}

function end(pid) {
  try {
    process.kill(Number(pid), 'SIGKILL')
  } catch {
    console.log(`${pid} has ended meanwhile.`)
  }
}

/** Empty for one that has ended. */
function read(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function linkOf(pid, name) {
  try {
    return readlinkSync(`/proc/${pid}/${name}`)
  } catch {
    return ''
  }
}

/** By Node.js' own inspector, which SIGUSR1 opens. */
async function waitsOf(pid) {
  process.kill(pid, 'SIGUSR1')
  await sleep(2_000)
  const signal = AbortSignal.timeout(20_000)
  const [target] = await (await fetch('http://127.0.0.1:9229/json/list', { signal })).json()
  const socket = new WebSocket(target.webSocketDebuggerUrl)
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
  const handles = `process._getActiveHandles().map((each) => [each.constructor.name, each.pid, each.spawnargs?.join(' '), each.remotePort].join(' '))`
  const expression = `JSON.stringify([process.getActiveResourcesInfo(), ${handles}], null, 1)`
  socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }))
  const { data } = await new Promise((resolve) => socket.addEventListener('message', resolve, { once: true }))
  socket.close()
  return JSON.parse(data).result.result.value
}
