import { cellOf, type Kept, reportOf } from './findings.ts'
import { tableOf, textOf } from './markdown.ts'
import type { Figures } from './peers/figures.ts'
import { type Cell, figures } from './report.ts'
import type { TimedRow } from './timed-group.ts'

// The figures of the README, each taken from the kept that are kept.

/** What stands between `<!-- figures:NAME -->` and the next `<!-- /figures -->`, by the benchmark of that name. */
const sections: Readonly<Record<string, (kept: Kept) => string>> = {
  service: serviceFigures,
  peers: peersFigures,
  stream: streamFigures,
  relay: relayFigures,
  sim: simFigures,
  core: coreFigures
}

const SECTIONS = /(<!-- figures:(\w+) -->\n)[\s\S]*?(<!-- \/figures -->)/g

/** The text with all its figures as they were found; those of benchmarks of which nothing is kept stay. */
export function withFigures(markdown: string, all: ReadonlyMap<string, Kept>): string {
  return markdown.replace(SECTIONS, (unchanged, begin: string, name: string, end: string) => {
    const section = sections[name]
    if (section === undefined)
      throw new Error(`No figures named ${name}; known are ${Object.keys(sections).join(', ')}`)
    const kept = all.get(name)
    return kept === undefined ? unchanged : `${begin}${section(kept)}${end}`
  })
}

function origin({ benchmark, reports }: Kept): string {
  const runs = new Set(
    reports.map(
      ({ machine: { date, cpu, cores, node } }) =>
        `${date.slice(0, 10)}, ${cpu}, ${cores} cores, Node ${node.slice(1)}`
    )
  )
  return `\n\`npm run bench:${benchmark}\`, ${[...runs].toSorted().join('; ')}.\n`
}

function serviceFigures(kept: Kept): string {
  const total = (report: string, row: string): string => textOf(cellOf(kept, report, row, 'total'))
  const compared = (report: string, row: string): string =>
    `${total(report, row)}: ${shortened(cellOf(kept, report, row, 'total, of stock healthy'))} times`
  const rows = [
    [
      '60 blocks of 20 kB, one of six peers frozen',
      compared('frozen', 'stock, one frozen'),
      `**${compared('frozen', 'service, one frozen')}**`
    ],
    [
      'the same, all healthy',
      total('frozen', 'stock, all healthy'),
      compared('frozen', 'service, all healthy')
    ],
    ['300 blocks, all healthy', total('healthy', 'stock'), compared('healthy', 'service')]
  ]
  return `${tableOf(['times all healthy', 'stock', 'with the service'], rows)}${origin(kept)}`
}

/** Numbers in a text to about three figures. */
function shortened(cell: Cell): string {
  return textOf(cell).replace(/\d+\.\d+/g, number => figures(Number(number)))
}

/** What `bench:peers` keeps of the fetches of a scenario. */
interface Fetches {
  readonly blocks: number
  readonly arms: Readonly<Record<string, { readonly rounds: readonly Figures[] }>>
}

function peersFigures(kept: Kept): string {
  const scenarios = kept.reports.filter(
    ({ name, data }) => (data as Fetches | null)?.arms !== undefined && !name.includes(',')
  )
  const arms = Object.keys((scenarios[0]!.data as Fetches).arms)
  const timed = ['S0', 'S1']
  const time = (report: string, arm: string): string => {
    const ratio = cellOf(kept, report, arm, 'of a stock session')
    return `${textOf(cellOf(kept, report, arm, 'time_to_fetch'))}${ratio === undefined ? '' : `: ${ratio} times`}`
  }
  const times = tableOf(
    ['time to fetch', ...timed.map(name => titleOf(kept, name))],
    arms.map(arm => [arm, ...timed.map(name => time(name, arm))])
  )
  const lost = tableOf(
    ['blocks that did not come in time', ...arms],
    scenarios.map(({ name, data }) => [
      titleOf(kept, name),
      ...arms.map(arm => lostShare(data as Fetches, arm))
    ])
  )
  return `${times}\n${lost}${origin(kept)}`
}

/** The first half of a report's title: what the scenario is. */
function titleOf(kept: Kept, name: string): string {
  return `${name}: ${reportOf(kept, name).title.split(': ')[0]}`
}

function lostShare({ blocks, arms }: Fetches, arm: string): string {
  const { rounds } = arms[arm]!
  const failed = rounds.reduce((sum, { leech_fails }) => sum + leech_fails, 0)
  if (failed === 0) return '0'
  return `${(100 * (failed / (blocks * rounds.length))).toFixed(1)} %`
}

function streamFigures(kept: Kept): string {
  const reports = kept.reports.filter(({ columns }) => columns.includes('time, of stock'))
  const rows = reports.flatMap(({ name, title, rows: all }) =>
    all
      .map(([arm]) => String(arm))
      .filter(arm => arm !== 'stock')
      .map((arm): Cell[] => {
        const cpu = arm === 'service, serving' ? 'CPU serving, of stock' : 'CPU asking, of stock'
        const cells = ['time, of stock', cpu].map(column => cellOf(kept, name, arm, column))
        return [`${name}: ${title.split(':')[0]}`, arm, ...cells]
      })
  )
  return `${tableOf(['times stock', 'with the service', 'time', 'its CPU'], rows)}${origin(kept)}`
}

/** What becomes of reads when a node fails, by its fault and by who stands before the nodes. */
function relayFigures(kept: Kept): string {
  const { columns, rows } = reportOf(kept, 'failover-32')
  const [fault, arm, reads, failed, stall] = ['primary', 'arm', 'reads', 'failed', 'longest stall'].map(
    name => columns.indexOf(name)
  ) as [number, number, number, number, number]
  const valuesOf = (column: number): string[] => [...new Set(rows.map(row => textOf(row[column])))]
  const arms = valuesOf(arm)
  const told = (row: readonly Cell[]): string =>
    `${textOf(row[failed])} of ${textOf(row[reads])} failed, ${textOf(row[stall])}`
  const table = tableOf(
    ['the first of two nodes, 32 readers: reads that failed, and the longest wait', ...arms],
    valuesOf(fault).map(each => [
      each,
      ...arms.map(name => told(rows.find(row => row[fault] === each && row[arm] === name)!))
    ])
  )
  return `${table}${origin(kept)}`
}

function simFigures(kept: Kept): string {
  const { rows } = reportOf(kept, 'scale')
  const columns = ['peers', 'answered', 'unprotected', 'kept of best', 'false', 'B each', 'timers']
  const table = tableOf(
    columns,
    rows.map(([peers]) => columns.map(column => cellOf(kept, 'scale', String(peers), column)))
  )
  return `${table}${origin(kept)}`
}

const TARGETS = 100_000

/** What the report `memory` of `bench:core` keeps. */
interface Usage {
  readonly scenario: string
  readonly targets: number
  readonly bytesPerTarget: number
  readonly alive: number
}

function coreFigures(kept: Kept): string {
  const libraries = [
    'executeRequest',
    'cockatiel, consecutive',
    'opossum',
    'mollitia, sliding count',
    'Deno std'
  ]
  const rowOf = (group: string, name: string): TimedRow | undefined =>
    (reportOf(kept, group).data as { rows: readonly TimedRow[] }).rows.find(row => row.name === name)
  const timed = (group: string, ours = 'executeRequest'): string[] =>
    libraries.map((name, index) => {
      const row = rowOf(group, index === 0 ? ours : name)
      if (row === undefined) return '-'
      const alone = row.aloneNs === undefined ? '' : ` (alone ${figures(Math.round(row.aloneNs.median))})`
      return `${figures(Math.round(row.ns.median))} ns${alone}, ${figures(Math.round(row.bytes))} B`
    })
  const usages = reportOf(kept, 'memory').data as readonly Usage[]
  const used = (figure: (usage: Usage) => string): string[] =>
    ['bitswap-protection', ...libraries.slice(1)].map(name => {
      const usage = usages.find(({ scenario, targets }) => scenario === name && targets === TARGETS)
      return usage === undefined ? '-' : figure(usage)
    })
  const rows = [
    ['protected async no-op, succeeding', ...timed('execute')],
    ['the same, rejected with a typed error', ...timed('reject')],
    ['the same, failing', ...timed('failure')],
    [
      'memory of each, of 100,000 targets',
      ...used(usage => `${figures(Math.round(usage.bytesPerTarget))} B`)
    ],
    ['timers, of 100,000 targets', ...used(({ alive }) => figures(alive))]
  ]
  return `${tableOf(['', 'bitswap-protection', ...libraries.slice(1)], rows)}${origin(kept)}`
}
