/**
 * The main job, in a simulated swarm: the same requests for blocks, once without and once with protection.
 *
 *     npm start              shows what happens
 *     npm start -- --json    prints the same as one JSON object
 */
import { parseArgs } from 'node:util'
import { type PeerStatus, Protection } from 'bitswap-protection'
import { type Moment, type Outcome, print, type Report, summarize } from './swarm/report.ts'
import {
  type Call,
  DontHaveError,
  PATIENCE_MS,
  type Request,
  RUN_MS,
  requestStream,
  seededRandom,
  simulate
} from './swarm/requests.ts'
import { VirtualTime } from './swarm/virtual-time.ts'

/** Another seed is another swarm; the same one always behaves the same. */
const SEED = 7

const USAGE = 'Usage: npm start -- [--json]'

async function runWithout(requests: readonly Request[]): Promise<Outcome> {
  const time = new VirtualTime()
  const call: Call = (_peer, ask) => {
    const outOfPatience = time.sleep(PATIENCE_MS).then(() => Promise.reject(new Error('timeout')))
    return Promise.race([ask(), outOfPatience])
  }
  return summarize(await simulate(requests, time, call))
}

async function runWith(requests: readonly Request[]): Promise<Omit<Report, 'without'>> {
  const time = new VirtualTime()
  const protection = new Protection(
    // A peer that says it does not have the block answered as it should.
    { preset: 'bitswap', breaker: { isExcluded: error => error instanceof DontHaveError } },
    { clock: time, random: seededRandom(SEED) }
  )
  const timeline: Moment[] = []
  const stopListening = protection.onEvent(({ type, key }) => {
    if (type !== 'health:change') timeline.push({ atMs: time.now(), peer: key, what: type })
  })
  const statuses: PeerStatus[] = []
  time.schedule(() => {
    stopListening()
    statuses.push(...protection.peers())
  }, RUN_MS)
  const call: Call = (peer, ask) => protection.executeRequest(peer, ask, { timeoutMs: PATIENCE_MS })
  const outcome = summarize(await simulate(requests, time, call))
  protection.close()
  return { with: outcome, timeline, peers: statuses }
}

function readArguments(): { json: boolean; help: boolean } {
  try {
    const flag = { type: 'boolean', default: false } as const
    return parseArgs({ options: { json: flag, help: flag } }).values
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`)
    process.exit(2)
  }
}

async function main(): Promise<void> {
  const { json, help } = readArguments()
  if (help) return console.log(USAGE)
  const requests = [...requestStream(seededRandom(SEED))]
  const report: Report = { without: await runWithout(requests), ...(await runWith(requests)) }
  if (json) console.log(JSON.stringify(report))
  else print(report)
}

await main()
