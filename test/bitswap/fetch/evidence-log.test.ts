import { expect, test } from 'vitest'
import { EvidenceLog } from '../../../src/bitswap/fetch/evidence-log.ts'
import { cidOf } from '../support/messages.ts'

const MAX_PEERS = 512
const MAX_PER_PEER = 8

test('what a peer did wrong is kept, oldest first', () => {
  const log = new EvidenceLog()
  const cid = cidOf(1)
  log.note('a', 'TIMEOUT', cid, 1_000)
  log.note('b', 'DRIP', cid, 1_500)
  log.note('a', 'UNREQUESTED_BLOCK', undefined, 2_000)
  expect(log.of('a')).toEqual([
    { fault: 'TIMEOUT', cid: cid.toString(), at: 1_000 },
    { fault: 'UNREQUESTED_BLOCK', cid: undefined, at: 2_000 }
  ])
})

test('of who did nothing wrong there is nothing', () => {
  expect(new EvidenceLog().of('a')).toEqual([])
})

test(`the last ${MAX_PER_PEER} of a peer are kept`, () => {
  const log = new EvidenceLog()
  for (let at = 1; at <= 3 * MAX_PER_PEER; at++) log.note('a', 'TIMEOUT', cidOf(at), at)
  const kept = log.of('a').map(({ at }) => at)
  expect(kept).toEqual(Array.from({ length: MAX_PER_PEER }, (_, index) => 2 * MAX_PER_PEER + 1 + index))
})

test('much of one kind does not hide what there is of another', () => {
  const log = new EvidenceLog()
  log.note('a', 'CORRUPT_BLOCK', cidOf(1), 1)
  log.note('a', 'TIMEOUT', cidOf(2), 2)
  for (let at = 3; at < 100; at++) log.note('a', 'UNREQUESTED_BLOCK', undefined, at)
  const kept = log.of('a')
  expect(kept).toHaveLength(MAX_PER_PEER)
  expect(kept.slice(0, 2).map(({ fault, at }) => [fault, at])).toEqual([
    ['CORRUPT_BLOCK', 1],
    ['TIMEOUT', 2]
  ])
  expect(kept.slice(2).map(({ at }) => at)).toEqual([94, 95, 96, 97, 98, 99])
  // Of those, the oldest goes first.
  log.note('a', 'CORRUPT_BLOCK', cidOf(3), 100)
  expect(log.of('a').map(({ at }) => at)).toEqual([2, 94, 95, 96, 97, 98, 99, 100])
})

test(`of more than ${MAX_PEERS} peers the one is forgotten that did nothing wrong for longest`, () => {
  const log = new EvidenceLog()
  for (let peer = 0; peer < MAX_PEERS; peer++) log.note(`${peer}`, 'TIMEOUT', undefined, peer)
  log.note('0', 'DRIP', undefined, 1_000)
  log.note('5', 'DRIP', undefined, 1_000)
  expect(log.of('1')).toHaveLength(1)
  log.note('one more', 'TIMEOUT', undefined, 2_000)
  expect(log.of('1')).toEqual([])
  expect(log.of('0')).toHaveLength(2)
  expect(log.of('5')).toHaveLength(2)
  expect(log.of('2')).toHaveLength(1)
  expect(log.of('one more')).toHaveLength(1)
})

test('what is given out is frozen, and does not change later', () => {
  const log = new EvidenceLog()
  log.note('a', 'TIMEOUT', undefined, 1)
  const given = log.of('a')
  expect(Object.isFrozen(given)).toBe(true)
  expect(Object.isFrozen(given[0])).toBe(true)
  log.note('a', 'TIMEOUT', undefined, 2)
  expect(given).toHaveLength(1)
})
