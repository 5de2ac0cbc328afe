import { peerIdFromString } from '@libp2p/peer-id'
import type { BitswapPeerStatus, BitswapProtectionManager } from '../bitswap/index.ts'
import type { ProviderState } from './provider.ts'
import { countText, durationText } from './terminal/quantities.ts'
import { troubleText } from './trouble.ts'

/** What is known of a peer that was asked. */
export interface PeerReport {
  readonly peerId: string
  readonly addresses: readonly string[]
  readonly isConnected: boolean
  /** Why it is not connected; `null` if it is, or if that is not known. */
  readonly problem: string | null
  /** Blocks it was the first to send. */
  readonly blocks: number
  /** What the protection knows of it; `null` if nothing. */
  readonly protection: PeerKnowledge | null
}

type PeerKnowledge = Pick<
  BitswapPeerStatus,
  'circuitState' | 'healthStatus' | 'isSuspect' | 'successRate' | 'responseTimeMs' | 'recoveryRate'
> & {
  /** Requests that ended of late, answered or not, and those of them that failed. */
  readonly requests: number
  readonly failures: number
  /** What was last wrong with it; empty if nothing was. */
  readonly lastTrouble: string
}

export function peerReport(
  { peerId, addresses, isReady, problem }: ProviderState,
  blocks: number,
  protection: BitswapProtectionManager
): PeerReport {
  const status = protection.getPeerStatus(peerIdFromString(peerId))
  return {
    peerId,
    addresses,
    isConnected: isReady,
    problem: problem ?? null,
    blocks,
    protection: status === undefined ? null : knowledge(status)
  }
}

function knowledge(status: BitswapPeerStatus): PeerKnowledge {
  const { circuitState, healthStatus, isSuspect, successRate, responseTimeMs, recoveryRate, counts } = status
  return {
    circuitState,
    healthStatus,
    isSuspect,
    successRate,
    responseTimeMs,
    recoveryRate,
    requests: counts.totalSuccesses + counts.totalFailures,
    failures: counts.totalFailures,
    lastTrouble: troubleText(status)
  }
}

/** The same in a line. */
export function peerReportText(report: PeerReport): string {
  const { peerId, isConnected, problem, blocks, protection } = report
  const facts = [isConnected ? 'connected' : (problem ?? 'not connected'), countText(blocks, 'block')]
  if (protection !== null) {
    const { circuitState, healthStatus, responseTimeMs, requests, failures, lastTrouble } = protection
    facts.push(circuitState, healthStatus)
    if (responseTimeMs > 0) facts.push(`answers in ${durationText(responseTimeMs)}`)
    if (lastTrouble !== '') facts.push(lastTrouble)
    else if (failures > 0) facts.push(`${failures} of ${countText(requests, 'request')} failed`)
    if (isConnected && blocks === 0 && responseTimeMs > 0) facts.push('perhaps it does not have the file')
  }
  return `${peerId}: ${facts.join(', ')}`
}
