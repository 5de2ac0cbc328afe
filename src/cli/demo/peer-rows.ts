import type { BitswapPeerStatus } from '../../bitswap/index.ts'
import type { CircuitState, HealthStatus } from '../../core/index.ts'
import type { Format } from '../terminal/paint.ts'
import { durationText } from '../terminal/quantities.ts'
import type { Column } from '../terminal/table.ts'

/** A peer as the table shows it. */
export interface PeerRow {
  readonly name: string
  readonly about: string
  /** What the protection knows of it; `undefined` if nothing yet. */
  readonly status: BitswapPeerStatus | undefined
  /** What was last wrong with it; empty if nothing was. */
  readonly trouble: string
  /** Blocks it was the first to send, to the stock node and to the protected one. */
  readonly stockBlocks: number
  readonly blocks: number
}

const stateFormats: Readonly<Record<CircuitState, Format>> = {
  CLOSED: 'green',
  HALF_OPEN: 'yellow',
  OPEN: 'red'
}

const healthFormats: Readonly<Record<HealthStatus, Format | undefined>> = {
  HEALTHY: 'green',
  DEGRADED: 'yellow',
  UNHEALTHY: 'red',
  UNKNOWN: undefined
}

export const peerColumns: ReadonlyArray<Column<PeerRow>> = [
  { title: 'peer', cell: ({ name }) => ({ text: name }) },
  { title: 'state', minWidth: 9, cell: ({ status }) => stateCell(status) },
  { title: 'health', minWidth: 9, dispensable: 1, cell: ({ status }) => healthCell(status) },
  { title: 'response', align: 'right', cell: ({ status }) => ({ text: responseText(status) }) },
  { title: 'share', align: 'right', minWidth: 6, cell: ({ status }) => ({ text: shareText(status) }) },
  { title: 'blocks', align: 'right', dispensable: 2, cell: ({ blocks }) => ({ text: String(blocks) }) },
  {
    title: 'last trouble',
    minWidth: 20,
    leastWidth: 10,
    cell: ({ trouble }) => ({ text: trouble === '' ? '-' : trouble })
  },
  { title: 'what it is', dispensable: 3, cell: ({ about }) => ({ text: about, format: 'dim' }) }
]

function stateCell(status: BitswapPeerStatus | undefined): { text: string; format?: Format } {
  if (status === undefined) return { text: '-' }
  const { circuitState, isSuspect, isConnected } = status
  if (isSuspect) return { text: 'SUSPECT', format: 'yellow' }
  if (!isConnected) return { text: 'gone', format: 'dim' }
  return { text: circuitState, format: stateFormats[circuitState] }
}

function healthCell(status: BitswapPeerStatus | undefined): { text: string; format?: Format | undefined } {
  return status === undefined
    ? { text: '-' }
    : { text: status.healthStatus, format: healthFormats[status.healthStatus] }
}

function responseText(status: BitswapPeerStatus | undefined): string {
  return status === undefined || status.responseTimeMs === 0 ? '-' : durationText(status.responseTimeMs)
}

/** The share of its requests a peer gets. */
function shareText(status: BitswapPeerStatus | undefined): string {
  if (status === undefined || !status.isConnected) return '-'
  if (status.isSuspect || status.circuitState === 'HALF_OPEN') return 'probes'
  return status.circuitState === 'OPEN' ? '0 %' : `${Math.round(status.recoveryRate * 100)} %`
}
