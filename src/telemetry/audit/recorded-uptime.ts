import { type Clock, systemClock } from '../../core/index.ts'
import type { TelemetrySources } from '../sources.ts'
import type { AuditLog } from './audit-log.ts'

/** How often it is written down that all goes on, in ms: so it is known of a process that was killed how long it lived. */
export const ALIVE_INTERVAL_MS = 60_000

/** Several endpoints that stand for each other: one that can be used is enough. */
export interface RecordedService {
  readonly name: string
  readonly endpoints: readonly string[]
  /** Whether only those are left that stand in for others. */
  readonly isFailedOver: boolean
}

/**
 * Writes down that this process is there, and which endpoints it cannot use: when it begins, every minute, and when it ends. A
 * report of how long what was available is made of that. Each time all of it is told, since older files of a log go.
 *
 * @returns ends it
 */
export function recordUptime(
  log: AuditLog,
  sources: TelemetrySources,
  clock: Clock = systemClock
): () => void {
  const note = (type: string): void =>
    log.record(type, { services: servicesOf(sources), down: endpointsDown(sources) })
  let cancel = (): void => {}
  const beat = (): void => {
    cancel = clock.schedule(() => {
      note('daemon:alive')
      beat()
    }, ALIVE_INTERVAL_MS)
  }
  note('daemon:start')
  beat()
  return () => {
    cancel()
    note('daemon:stop')
  }
}

function servicesOf({ pools = [], channels = [] }: TelemetrySources): RecordedService[] {
  return [
    ...channels.map(channel => {
      const { nodes, isFailedOver } = channel.getStatus()
      return { name: channel.namespace, endpoints: nodes.map(({ endpoint }) => endpoint), isFailedOver }
    }),
    ...pools.map(pool => ({
      name: pool.namespace,
      endpoints: [pool.getSummary().endpoint],
      isFailedOver: false
    }))
  ]
}

function endpointsDown({ pools = [], channels = [] }: TelemetrySources): string[] {
  const endpoints = [
    ...channels.flatMap(channel => channel.getStatus().nodes),
    ...pools.map(pool => pool.getSummary())
  ]
  return endpoints.filter(({ isHealthy }) => !isHealthy).map(({ endpoint }) => endpoint)
}
