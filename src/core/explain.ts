import type { PeerStatus } from './status.ts'
import type { TripReason, TripRecord } from './trip-record.ts'

/** Why a target is treated as it is. Plain, frozen data. */
export interface Explanation {
  readonly key: string
  /** What is done with calls to it, in a sentence. */
  readonly verdict: string
  /** What that stands on. */
  readonly evidence: readonly string[]
  /** When the next probe may go, in ms since 1970; `undefined` unless that depends on time alone. */
  readonly nextRetryAt: number | undefined
  /** What would change it. */
  readonly changes: readonly string[]
}

/**
 * Puts a status into words.
 *
 * @param nowMs - ms since 1970
 */
export function explain(status: PeerStatus, nowMs: number): Explanation {
  return Object.freeze({
    key: status.key,
    verdict: verdict(status),
    evidence: Object.freeze(evidence(status, nowMs)),
    nextRetryAt: status.nextRetryAt,
    changes: Object.freeze(changes(status, nowMs))
  })
}

function verdict(status: PeerStatus): string {
  if (status.isIsolated) return 'Isolated by hand: every call is rejected.'
  if (status.isSuspect) return 'Suspected not to respond: every call is rejected while it is being probed.'
  if (status.isDemoted) return 'Kept as last resort: calls are let through, since no more may be refused.'
  if (status.circuitState === 'OPEN') return 'Circuit open: every call is rejected.'
  if (status.circuitState === 'HALF_OPEN') return 'Circuit half-open: a few calls are let through as probes.'
  if (status.isRecovering) return `Recovering: ${percent(status.recoveryRate)} of the calls are let through.`
  return 'Circuit closed: every call is let through.'
}

function evidence(status: PeerStatus, nowMs: number): string[] {
  const { counts } = status
  const lines = [
    `${status.circuitState} for ${seconds(nowMs - status.since)}; last used ${seconds(nowMs - status.lastUsedAt)} ago`,
    `${status.healthStatus}: ${percent(status.successRate)} of recent calls succeeded, errors in a row: ${status.consecutiveErrors}`,
    `window: ${counts.requests} calls, of which ${counts.totalSuccesses} succeeded, ${counts.totalFailures} failed, ${counts.totalExclusions} did not count`
  ]
  if (status.responseTimeMs > 0) {
    lines.push(
      `response time: ${status.responseTimeMs.toFixed(1)} ms, give or take ${status.responseTimeDeviationMs.toFixed(1)} ms`
    )
  }
  if (status.lastTrip !== undefined) lines.push(`last opened: ${tripText(status.lastTrip)}`)
  if (status.inFlight > 0) lines.push(`in flight: ${status.inFlight}`)
  if (status.trips > 0) lines.push(`trips not yet forgiven: ${status.trips}, relapses: ${status.relapses}`)
  return lines
}

function tripText({ reason, counts }: TripRecord): string {
  const counted = `${counts.totalFailures} of ${counts.requests} calls failed, ${counts.consecutiveFailures} in a row`
  const texts: Record<TripReason, string> = {
    FAILURES: counted,
    PROBE_FAILED: 'a probe failed',
    PROBES_OVERDUE: 'its probes did not end in time',
    RELAPSE: `it failed again while recovering: ${counted}`,
    UNRESPONSIVE: 'it did not respond at all'
  }
  return texts[reason]
}

function changes(status: PeerStatus, nowMs: number): string[] {
  if (status.isIsolated) return ['release() by hand']
  if (status.isSuspect) return ['a sign of life ends the suspicion', 'a probe in vain opens the circuit']
  if (status.nextRetryAt !== undefined)
    return [`the first call from ${seconds(status.nextRetryAt - nowMs)} from now on goes as a probe`]
  if (status.circuitState === 'HALF_OPEN')
    return ['enough probes that succeed close the circuit', 'one that fails opens it again']
  if (status.isRecovering)
    return ['successes raise the share step by step', 'failures in a row open the circuit again']
  return ['failures, in a row or as a share of the window, open the circuit']
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}

function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(1)} s`
}
