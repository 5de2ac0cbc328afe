import { expect, test } from 'vitest'
import { PeerLinks } from '../../src/bitswap/peer-link.ts'
import { FakeConnection } from './support/node.ts'
import { peerOf } from './support/peers.ts'

test('there is one link for a peer, known by the text of its id', () => {
  const links = new PeerLinks()
  const link = links.claim(peerOf(1))
  expect(link.key).toBe(peerOf(1).toString())
  expect(links.claim(peerOf(1))).toBe(link)
  expect(links.find(link.key)).toBe(link)
  expect(links.claim(peerOf(2))).not.toBe(link)
  expect(links.size).toBe(2)
  expect([...links.values()]).toHaveLength(2)
})

test('looking for one makes none', () => {
  const links = new PeerLinks()
  expect(links.find(peerOf(1).toString())).toBe(undefined)
  expect(links.size).toBe(0)
})

test.each(['opening', 'executing'] as const)('is kept while it is of use: %s', what => {
  const links = new PeerLinks()
  const link = links.claim(peerOf(1))
  link[what]++
  links.release(link)
  expect(links.size).toBe(1)
  link[what]--
  links.release(link)
  expect(links.size).toBe(0)
})

test('is kept while there is a connection', () => {
  const links = new PeerLinks()
  const link = links.claim(peerOf(1))
  const connection = new FakeConnection(peerOf(1))
  link.connections.add(connection)
  links.release(link)
  expect(links.size).toBe(1)
  link.connections.delete(connection)
  links.release(link)
  expect(links.size).toBe(0)
})

test('one that was forgotten does not take its successor along', () => {
  const links = new PeerLinks()
  const former = links.claim(peerOf(1))
  links.release(former)
  const present = links.claim(peerOf(1))
  links.release(former)
  expect(links.find(present.key)).toBe(present)
})
