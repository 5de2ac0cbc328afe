import type { PeerStore } from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { PeerTags } from '../../src/bitswap/peer-tags.ts'
import type { HealthStatus } from '../../src/core/index.ts'
import { createLogger, peerOf } from './support/peers.ts'
import { settle } from './support/streams.ts'

const TTL_MS = 6 * 60 * 60_000

function create(merge: PeerStore['merge'] = async () => ({}) as never) {
  const merged: unknown[][] = []
  const peerStore = {
    merge: (...args: Parameters<PeerStore['merge']>) => {
      merged.push(args)
      return merge(...args)
    }
  } as PeerStore
  const { log, errors } = createLogger()
  return { tags: new PeerTags(peerStore, log), merged, errors }
}

describe('a peer', () => {
  test.each<[HealthStatus, unknown]>([
    ['HEALTHY', { value: 50, ttl: TTL_MS }],
    ['DEGRADED', { value: 10, ttl: TTL_MS }],
    ['UNHEALTHY', undefined],
    ['UNKNOWN', undefined]
  ])('that is %s is worth as much to the pruner', (health, tag) => {
    const { tags, merged } = create()
    tags.note(peerOf(1), health)
    expect(merged).toEqual([[peerOf(1), { tags: { 'bitswap-protection': tag } }]])
  })

  test('that cannot be tagged is left alone', async () => {
    const { tags, errors } = create(() => Promise.reject(new Error('no room')))
    tags.note(peerOf(1), 'HEALTHY')
    await settle()
    expect(errors.map(([what]) => what)).toEqual(['could not tag %p - %e'])
  })
})
