import { peerIdFromString } from '@libp2p/peer-id'
import { expect } from 'vitest'
import type { Client, Reachable } from '../../integration/support/client.ts'

/** Finds that nothing is held against peers, not even against those that were never asked for anything. */
export function expectNoBlame({ protection }: Client, ...peers: readonly Reachable[]): void {
  for (const { peerId } of peers) {
    const peer = peerIdFromString(peerId)
    const status = protection.getPeerStatus(peer)
    const { circuitState = 'CLOSED', isSuspect = false, trips = 0, counts } = status ?? {}
    const faults = protection.explain(peer)?.faults ?? []
    const failures = counts?.totalFailures ?? 0
    expect({ circuitState, isSuspect, trips, failures, faults }).toEqual({
      circuitState: 'CLOSED',
      isSuspect: false,
      trips: 0,
      failures: 0,
      faults: []
    })
  }
}
