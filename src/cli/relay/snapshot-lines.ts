import type { NodeState } from '../../relay/index.ts'
import type { Format, Paint } from '../terminal/paint.ts'
import { countText, durationText } from '../terminal/quantities.ts'
import { type Column, table } from '../terminal/table.ts'
import { shorten } from '../terminal/visible-text.ts'
import type { NodeReport, Snapshot } from './snapshot.ts'

const stateFormats: Readonly<Record<NodeState, Format>> = {
  up: 'green',
  suspect: 'yellow',
  down: 'red',
  'warming-up': 'yellow',
  refused: 'red',
  isolated: 'yellow'
}

const columns: ReadonlyArray<Column<NodeReport>> = [
  { title: 'node', cell: ({ endpoint }) => ({ text: endpoint }) },
  { title: 'role', minWidth: 7, dispensable: 1, cell: ({ role }) => ({ text: role }) },
  { title: 'state', minWidth: 10, cell: stateCell },
  {
    title: 'height',
    align: 'right',
    cell: ({ height }) => ({ text: height === null ? '-' : String(height) })
  },
  {
    title: 'response',
    align: 'right',
    dispensable: 2,
    cell: ({ responseTimeMs }) => responseCell(responseTimeMs)
  },
  {
    title: 'connections',
    align: 'right',
    dispensable: 3,
    cell: ({ connections }) => ({ text: String(connections) })
  },
  { title: 'outages', align: 'right', dispensable: 4, cell: ({ outages }) => ({ text: String(outages) }) },
  { title: 'last error', minWidth: 20, leastWidth: 20, cell: ({ lastError }) => ({ text: lastError ?? '-' }) }
]

function stateCell({ state, isLagging }: NodeReport): { text: string; format: Format } {
  return state === 'up' && isLagging
    ? { text: 'lagging', format: 'yellow' }
    : { text: state, format: stateFormats[state] }
}

function responseCell(ms: number): { text: string } {
  return { text: ms === 0 ? '-' : durationText(ms) }
}

/** The nodes, one line each. */
export function nodeLines(nodes: readonly NodeReport[], width: number, paint: Paint): string[] {
  return table(columns, nodes, width, paint)
}

/** For a terminal of that many columns: requests, and the nodes below. */
export function snapshotLines(snapshot: Snapshot, width: number, paint: Paint): string[] {
  const line = shorten(facts(snapshot).join('   '), width)
  const format = snapshot.isHealthy ? 'bold' : 'red'
  return ['', paint(format, line), '', ...nodeLines(snapshot.nodes, width, paint)]
}

/** The same in one line, for a log. */
export function snapshotSentence(snapshot: Snapshot): string {
  const { nodes } = snapshot
  const up = nodes.filter(({ state }) => state === 'up').length
  return [`${up} of ${countText(nodes.length, 'node')} up`, ...facts(snapshot)].join(', ')
}

function facts({ height, requests, failed, longestMs, failovers, isFailedOver }: Snapshot): string[] {
  return [
    height === null ? 'no height yet' : `height ${height}`,
    countText(requests, 'request'),
    `${failed} failed`,
    ...(requests === 0 ? [] : [`longest wait ${durationText(longestMs)}`]),
    countText(failovers, 'failover'),
    ...(isFailedOver ? ['no primary node answers'] : [])
  ]
}
