import type { BitswapPeerStatus } from '../bitswap/index.ts'
import type { TripReason } from '../core/index.ts'

/** What last was wrong with a peer, in a few words; empty if nothing was. */
export function troubleText({ isSuspect, lastTrip }: BitswapPeerStatus): string {
  if (isSuspect) return 'late, being probed'
  if (lastTrip === undefined) return ''
  const { totalFailures, requests, consecutiveFailures } = lastTrip.counts
  const texts: Record<TripReason, string> = {
    FAILURES:
      consecutiveFailures === totalFailures
        ? `${consecutiveFailures} failures in a row`
        : `${totalFailures} of ${requests} failed`,
    PROBE_FAILED: 'a probe failed',
    PROBES_OVERDUE: 'a probe got nothing',
    RELAPSE: 'failed again',
    UNRESPONSIVE: 'did not respond'
  }
  return texts[lastTrip.reason]
}
