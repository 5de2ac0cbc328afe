import { styleText } from 'node:util'
import type { PeerStatus } from 'bitswap-protection'
import { peers } from './peers.ts'
import { CANDIDATES, PATIENCE_MS, RUN_MS, type Tally } from './requests.ts'

/** Something that happened in virtual time. */
export interface Moment {
  readonly atMs: number
  readonly peer: string
  readonly what: string
}

/** A run in figures. */
export interface Outcome {
  readonly requested: number
  readonly fetched: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  /** Blocks that took longer than 5 s. */
  readonly late: number
  readonly lostMs: number
  readonly rejected: number
  readonly wronglyRejected: number
  readonly rejectedOnProbation: number
}

/** Both runs, and of the protected one what happened and how the peers stood at the end. */
export interface Report {
  readonly without: Outcome
  readonly with: Outcome
  readonly timeline: readonly Moment[]
  readonly peers: readonly PeerStatus[]
}

export function summarize({ timesMs, ...counts }: Tally): Outcome {
  const sorted = timesMs.toSorted((a, b) => a - b)
  const percentile = (share: number): number => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
  return {
    ...counts,
    lostMs: Math.round(counts.lostMs),
    fetched: sorted.length,
    p50Ms: percentile(0.5),
    p95Ms: percentile(0.95),
    p99Ms: percentile(0.99),
    late: sorted.filter(ms => ms > 5000).length
  }
}

export function print(report: Report): void {
  printIntroduction(report.with.requested)
  printTimeline(report.timeline)
  printPeers(report.peers)
  printComparison(report.without, report.with)
}

function printIntroduction(requested: number): void {
  title('A simulated swarm')
  console.log(
    `${peers.length} peers, ${requested} blocks wanted over ${clock(RUN_MS)} minutes of virtual time. Each block is asked for at
${CANDIDATES} peers in random order, one after the other, up to ${duration(PATIENCE_MS)} each. The same requests are made twice:
without protection, and with \`new Protection()\` around every one.`
  )
}

function printTimeline(timeline: readonly Moment[]): void {
  title('What happened, with protection')
  const facts = peers.flatMap(({ name, trouble }): Moment[] => {
    if (trouble === undefined) return []
    return [
      { atMs: trouble.fromMs, peer: name, what: '(trouble begins)' },
      { atMs: trouble.untilMs, peer: name, what: '(is well again)' }
    ]
  })
  const moments = [...facts, ...timeline].filter(({ atMs }) => atMs < RUN_MS)
  for (const { atMs, peer, what } of moments.sort((a, b) => a.atMs - b.atMs)) {
    console.log(`  ${clock(atMs)}  ${peer.padEnd(9)}${coloured(what)}`)
  }
}

function printPeers(statuses: readonly PeerStatus[]): void {
  title('The peers at the end')
  console.log('  peer     state      health     response   share  last opened for  what it is')
  for (const { name, about } of peers) {
    const status = statuses.find(({ key }) => key === name)
    if (status === undefined) continue
    const columns = [
      name.padEnd(9),
      coloured(status.circuitState, 11),
      status.healthStatus.padEnd(11),
      duration(status.responseTimeMs).padStart(8),
      share(status).padStart(8),
      `  ${(status.lastTrip?.reason ?? '-').padEnd(17)}`,
      about
    ]
    console.log(`  ${columns.join('')}`)
  }
}

/** The share of its requests a peer gets. */
function share({ circuitState, recoveryRate }: PeerStatus): string {
  if (circuitState === 'HALF_OPEN') return 'probes'
  return `${circuitState === 'OPEN' ? 0 : Math.round(recoveryRate * 100)} %`
}

function printComparison(without: Outcome, protectedRun: Outcome): void {
  title('Side by side')
  const compare = (
    label: string,
    figure: (outcome: Outcome) => number,
    show: (value: number) => string = String
  ): void => {
    const values = [figure(without), figure(protectedRun)] as const
    const most = Math.max(...values)
    console.log(`  ${label.padEnd(25)} without ${show(values[0]).padStart(8)} ${bar(values[0], most, 'red')}`)
    console.log(`  ${''.padEnd(25)} with    ${show(values[1]).padStart(8)} ${bar(values[1], most, 'green')}`)
  }
  compare('blocks fetched', outcome => outcome.fetched)
  compare('time per block, p50', outcome => outcome.p50Ms, duration)
  compare('                p95', outcome => outcome.p95Ms, duration)
  compare('                p99', outcome => outcome.p99Ms, duration)
  compare('blocks that took over 5 s', outcome => outcome.late)
  compare('time lost on bad peers', outcome => outcome.lostMs, duration)
  const { rejected, rejectedOnProbation, wronglyRejected } = protectedRun
  console.log(`
  ${rejected} requests were rejected, and the next peer asked at once. Of these,
  ${rejectedOnProbation} went to a peer that was well again but not yet trusted, and ${wronglyRejected} to peers that never did anything wrong.`)
}

function title(text: string): void {
  console.log(`\n${styleText('bold', text)}\n`)
}

function bar(value: number, most: number, colour: 'red' | 'green'): string {
  return styleText(colour, '█'.repeat(Math.ceil((30 * value) / most)))
}

function coloured(text: string, width = 0): string {
  const isBad = /OPEN|open|relapse/.test(text)
  const isGood = /CLOSED|close|complete/.test(text)
  const padded = text.padEnd(width)
  return isBad ? styleText('red', padded) : isGood ? styleText('green', padded) : padded
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}
