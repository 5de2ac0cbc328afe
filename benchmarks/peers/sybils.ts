import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Report } from '../report.ts'

// S11: peers with ids of their own that connect, ask for blocks, are called and go, 10,000 a second by a manual clock. There
// is no network: a million connections would measure the machine.

const program = fileURLToPath(new URL('../../test/bitswap/support/measure-churn.ts', import.meta.url))

const PEERS = { full: 1_000_000, quick: 50_000 }
const SUBNETS = [1, 1_000]

/** Longest it may take. */
const LIMIT_MS = 600_000

const MAX_MIB = 16

/** What `measure-churn.ts` prints. */
interface Churn {
  readonly bytes: number
  readonly growth: number
  readonly usPerPeer: number
  readonly totalPeers: number
  readonly refused: number
  readonly circuitState: string | undefined
  readonly trips: number | undefined
}

export async function measureSybils(isQuick: boolean): Promise<Report> {
  const peers = isQuick ? PEERS.quick : PEERS.full
  const runs: Churn[] = []
  for (const subnets of SUBNETS) runs.push(await churn(peers, subnets))
  return {
    name: 'S11',
    title: `${peers.toLocaleString('en-US')} peers that come and go, 10,000 each second`,
    columns: [
      '',
      'MiB kept',
      'MiB since the first fifth',
      'records',
      'refused',
      'per peer',
      'the bad one of before'
    ],
    rows: runs.map((run, index) => [
      `of ${SUBNETS[index]} networks`,
      run.bytes / 2 ** 20,
      run.growth / 2 ** 20,
      run.totalPeers,
      run.refused,
      `${Math.round(run.usPerPeer)} us`,
      `${run.circuitState ?? 'forgotten'}`
    ]),
    notes: [],
    checks: runs.flatMap(({ bytes, trips }, index) => [
      {
        name: `memory is bounded: ${SUBNETS[index]} networks`,
        passed: bytes <= MAX_MIB * 2 ** 20,
        detail: `${(bytes / 2 ** 20).toFixed(1)} MiB, at most ${MAX_MIB}`
      },
      {
        name: `who was bad before is still known for it: ${SUBNETS[index]} networks`,
        passed: (trips ?? 0) > 0,
        detail: `${trips ?? 'no'} trips`
      }
    ]),
    data: runs
  }
}

async function churn(peers: number, subnets: number): Promise<Churn> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      '--expose-gc',
      '--conditions=bitswap-protection-source',
      '--disable-warning=ExperimentalWarning',
      program,
      String(peers),
      String(subnets)
    ],
    { timeout: LIMIT_MS }
  )
  return JSON.parse(stdout) as Churn
}
