import type { Availability, UptimeReport } from '../../telemetry/index.ts'
import { countText, durationText } from '../terminal/quantities.ts'
import { harmless } from '../terminal/visible-text.ts'

/** Events that are told with how often they happened, in this order, and how. */
const told: Readonly<Record<string, string>> = {
  'connection:open': 'connections opened',
  'connection:close': 'connections closed',
  'connection:fail': 'connections failed',
  'node:down': 'times a node went down',
  'node:refused': 'times a node was refused',
  isolate: 'times a peer or node was isolated by hand'
}

/** A report for people. */
export function reportText(report: UptimeReport & { readonly unreadable: number }): string {
  const { from, to, process, services, endpoints, failovers, peers, counts, lost, unreadable } = report
  if (from === undefined || to === undefined) return 'The log has no entries in that time.'
  const lines = [
    `From ${from} to ${to} (${durationText(Date.parse(to) - Date.parse(from))})`,
    '',
    row('this process', process, `, ${countText(process.starts, 'start')}`)
  ]
  if (services.length > 0) lines.push('', 'Services (one endpoint that can be used is enough)')
  for (const service of services) lines.push(row(`${service.name}: ${service.endpoints.join(', ')}`, service))
  if (endpoints.length > 0) lines.push('', 'Endpoints')
  for (const endpoint of endpoints) lines.push(row(endpoint.endpoint, endpoint))
  lines.push('', 'What happened')
  lines.push(`  ${countText(failovers.count, 'failover')}, ${durationText(failovers.ms)} on backup nodes`)
  lines.push(
    `  ${countText(peers.opened, 'circuit')} of peers opened, ${peers.recovered} recoveries complete`
  )
  for (const [type, words] of Object.entries(told))
    if (counts[type] !== undefined) lines.push(`  ${counts[type]} ${words}`)
  if (peers.worst.length > 0) lines.push('', 'Peers whose circuit opened most often')
  for (const { peer, opened } of peers.worst) lines.push(`  ${opened}  ${harmless(peer)}`)
  if (lost + unreadable > 0) lines.push('', `Not in this: ${lost} entries lost, ${unreadable} unreadable`)
  return lines.join('\n')
}

function row(name: string, { share, outages, longestOutageMs }: Availability, more = ''): string {
  const worst = outages > 0 ? `, the longest ${durationText(longestOutageMs)}` : ''
  const text =
    share === undefined ? 'not watched' : `${availabilityText(share)}, ${countText(outages, 'outage')}`
  return `  ${harmless(name)}: ${text}${worst}${more}`
}

/** `99.95 %`; 100 % only when nothing is missing. */
function availabilityText(share: number): string {
  return `${share === 1 ? '100' : (Math.floor(share * 100_000) / 1_000).toFixed(3)} %`
}
