import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Decoded,
  decodeRecords,
  encodeRecords,
  FORMAT_VERSION,
  MAX_BYTES,
  MAX_RECORDS
} from '../../src/bitswap/record-format.ts'
import { type BadRecord, type BadRecords, ManualClock, Protection } from '../../src/core/index.ts'
import { peerOf } from './support/peers.ts'

const START = 1_767_225_600_000

const record: BadRecord = {
  key: peerOf(1).toString(),
  state: 'OPEN',
  retryAt: START + 60_000,
  isRecovering: false,
  isIsolated: true,
  trips: 3,
  relapses: 2,
  lastTrip: {
    reason: 'PROBE_FAILED',
    at: START - 100,
    counts: {
      requests: 6,
      totalSuccesses: 2,
      totalFailures: 3,
      totalExclusions: 1,
      consecutiveSuccesses: 0,
      consecutiveFailures: 3
    }
  }
}
const isolated: BadRecord = {
  key: peerOf(2).toString(),
  state: 'CLOSED',
  retryAt: undefined,
  isRecovering: false,
  isIsolated: true,
  trips: 0,
  relapses: 0,
  lastTrip: undefined
}
const recovering: BadRecord = { ...record, state: 'CLOSED', retryAt: undefined, isRecovering: true }

function of(...records: BadRecord[]): BadRecords {
  return { savedAt: START, records }
}

function textOf(saved: BadRecords): string {
  return new TextDecoder().decode(encodeRecords(saved))
}

function decodeText(text: string): Decoded {
  return decodeRecords(new TextEncoder().encode(text))
}

function savedIn(decoded: Decoded): BadRecords {
  if ('problem' in decoded) throw new Error(decoded.problem)
  return decoded.saved
}

/** As many records as wanted, each of a key of its own. */
function many(count: number, difference: (index: number) => Partial<BadRecord>): BadRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    ...record,
    isIsolated: false,
    key: `peer ${index}`,
    ...difference(index)
  }))
}

describe('what is stored', () => {
  test('looks like this', () => {
    expect(JSON.parse(textOf(of(record, isolated, recovering)))).toEqual({
      version: 1,
      savedAt: START,
      records: [
        {
          key: record.key,
          state: 'OPEN',
          trips: 3,
          relapses: 2,
          retryAt: START + 60_000,
          isIsolated: true,
          lastTrip: { reason: 'PROBE_FAILED', at: START - 100, counts: [6, 2, 3, 1, 0, 3] }
        },
        {
          key: record.key,
          state: 'CLOSED',
          trips: 3,
          relapses: 2,
          isRecovering: true,
          isIsolated: true,
          lastTrip: { reason: 'PROBE_FAILED', at: START - 100, counts: [6, 2, 3, 1, 0, 3] }
        },
        { key: isolated.key, state: 'CLOSED', trips: 0, isIsolated: true }
      ]
    })
  })

  test('reads as what it was', () => {
    for (const saved of [of(), of(record), of(record, recovering, isolated)]) {
      expect(decodeRecords(encodeRecords(saved))).toEqual({ saved })
    }
  })

  test('is of the worst, if there are too many: by hand, then often, then lately', () => {
    const records = [
      ...many(MAX_RECORDS, index => ({ trips: 1, lastTrip: { ...record.lastTrip!, at: START + index } })),
      { ...record, key: 'often', isIsolated: false, trips: 2, lastTrip: { ...record.lastTrip!, at: 0 } },
      isolated,
      { ...record, key: 'nameless', isIsolated: false, trips: 1, lastTrip: undefined }
    ]
    const { records: kept } = savedIn(decodeRecords(encodeRecords(of(...records))))
    expect(kept).toHaveLength(MAX_RECORDS)
    expect(kept.slice(0, 3).map(({ key }) => key)).toEqual([isolated.key, 'often', `peer ${MAX_RECORDS - 1}`])
    expect(kept.at(-1)!.key).toBe('peer 2')
  })

  test('is never longer than is read', () => {
    const records = many(MAX_RECORDS, index => ({ key: `${'€'.repeat(120)}${index}` }))
    const bytes = encodeRecords(of(...records))
    expect(bytes.length).toBeLessThanOrEqual(MAX_BYTES)
    expect(bytes.length).toBeGreaterThan(MAX_BYTES - 2000)
    const { records: kept } = savedIn(decodeRecords(bytes))
    expect(kept).toEqual(records.slice(0, kept.length))
  })

  test('has room for as many peers as are stored', () => {
    const records = many(MAX_RECORDS, () => ({ key: `12D3KooW${'x'.repeat(44)}`, trips: 1000 }))
    expect(savedIn(decodeRecords(encodeRecords(of(...records)))).records).toHaveLength(MAX_RECORDS)
  })

  test('is nothing of who has a name that no peer has', () => {
    const records = ['', 'x'.repeat(129), 'x'.repeat(128)].map(key => ({ ...record, key }))
    const kept = savedIn(decodeRecords(encodeRecords(of(...records)))).records
    expect(kept.map(({ key }) => key.length)).toEqual([128])
  })
})

describe('what cannot be read', () => {
  test.each([
    ['', 'no JSON object'],
    ['{', 'no JSON object'],
    ['null', 'no JSON object'],
    ['[]', 'no JSON object'],
    ['7', 'no JSON object'],
    ['{}', 'of no known version'],
    ['{"version":2}', 'of version 2, not 1'],
    ['{"version":0}', 'of version 0, not 1'],
    ['{"version":"1"}', 'of no known version'],
    ['{"version":{"toString":1}}', 'of no known version'],
    ['{"version":1}', 'without the time it was saved'],
    ['{"version":1,"savedAt":null}', 'without the time it was saved'],
    ['{"version":1,"savedAt":1e999}', 'without the time it was saved'],
    ['{"version":1,"savedAt":1}', 'without a list'],
    ['{"version":1,"savedAt":1,"records":{}}', 'without a list'],
    [`{"version":1,"savedAt":1,"records":[${'{},'.repeat(MAX_RECORDS)}{}]}`, 'without a list'],
    ['{"version":1,"savedAt":1,"records":[null]}', 'wrong in record 0'],
    [`${' '.repeat(MAX_BYTES)}{}`, `longer than ${MAX_BYTES} bytes`]
  ])('%j', (text, problem) => {
    const decoded = decodeText(text)
    expect('problem' in decoded && decoded.problem).toContain(problem)
  })

  test('is what is no text', () => {
    const bytes = encodeRecords(of(record))
    bytes[textOf(of(record)).indexOf(record.key)] = 0xff
    expect(decodeRecords(bytes)).toEqual({ problem: 'no JSON object' })
  })

  const stored = JSON.parse(textOf(of(record)))
  test.each<[string, unknown]>([
    ['key', 7],
    ['key', ''],
    ['key', 'x'.repeat(129)],
    ['key', undefined],
    ['state', 'open'],
    ['state', undefined],
    ['state', 1],
    ['state', 'CLOSED'],
    ['trips', -1],
    ['trips', 1.5],
    ['trips', '3'],
    ['trips', 2 ** 53],
    ['relapses', -1],
    ['relapses', null],
    ['retryAt', undefined],
    ['retryAt', '2026'],
    ['isRecovering', 1],
    ['isIsolated', null],
    ['lastTrip', null],
    ['lastTrip', []],
    ['lastTrip', { ...stored.records[0].lastTrip, reason: 'REVENGE' }],
    ['lastTrip', { ...stored.records[0].lastTrip, at: null }],
    ['lastTrip', { ...stored.records[0].lastTrip, counts: undefined }],
    ['lastTrip', { ...stored.records[0].lastTrip, counts: [1, 2, 3, 4, 5] }],
    ['lastTrip', { ...stored.records[0].lastTrip, counts: [1, 2, 3, 4, 5, 6, 7] }],
    ['lastTrip', { ...stored.records[0].lastTrip, counts: [1, 2, 3, 4, 5, -6] }]
  ])('is a record with the %s %j', (name, value) => {
    const [good] = stored.records
    const text = JSON.stringify({ ...stored, records: [good, { ...good, [name]: value }] })
    expect(decodeText(text)).toEqual({ problem: 'wrong in record 1' })
  })

  test('is what was cut off anywhere', () => {
    const bytes = encodeRecords(of(record, isolated))
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeRecords(bytes.subarray(0, length))).toHaveProperty('problem')
    }
  })
})

const count = fc.nat()
const time = fc.integer({ min: 0, max: 2 * START })
const anyRecord: fc.Arbitrary<BadRecord> = fc
  .record({
    key: fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
    state: fc.constantFrom('CLOSED' as const, 'OPEN' as const, 'HALF_OPEN' as const),
    retryAt: time,
    isRecovering: fc.boolean(),
    isIsolated: fc.boolean(),
    trips: fc.nat(1000),
    relapses: fc.nat(31),
    lastTrip: fc.option(
      fc.record({
        reason: fc.constantFrom('FAILURES' as const, 'RELAPSE' as const, 'UNRESPONSIVE' as const),
        at: time,
        counts: fc.record({
          requests: count,
          totalSuccesses: count,
          totalFailures: count,
          totalExclusions: count,
          consecutiveSuccesses: count,
          consecutiveFailures: count
        })
      }),
      { nil: undefined }
    )
  })
  .map(each => ({ ...each, retryAt: each.state === 'OPEN' ? each.retryAt : undefined }))

/** Whatever was read can be taken up. */
function check(decoded: Decoded): void {
  if ('problem' in decoded) {
    expect(decoded.problem.length).toBeLessThan(100)
    return
  }
  const clock = new ManualClock(1000, START)
  const protection = new Protection({}, { clock, random: () => 0 })
  protection.restore(decoded.saved, 3_600_000)
  for (const { nextRetryAt = START } of protection.peers())
    expect(nextRetryAt).toBeLessThanOrEqual(START + 660_001)
}

describe('whatever there is', () => {
  test('records read as what they were, the worst first', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { maxLength: 20 }), time, (records, savedAt) => {
        const { savedAt: readAt, records: read } = savedIn(decodeRecords(encodeRecords({ savedAt, records })))
        expect(readAt).toBe(savedAt)
        expect(read).toHaveLength(records.length)
        expect(new Set(read)).toEqual(new Set(records))
      })
    )
  })

  test('arbitrary bytes do no harm', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), bytes => check(decodeRecords(bytes))),
      { numRuns: 1000 }
    )
  })

  test('arbitrary JSON does no harm', () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(
        '__proto__',
        'toString',
        '',
        1e308,
        -0,
        START,
        'OPEN',
        'CLOSED',
        'FAILURES',
        [1, 2, 3, 4, 5, 6]
      )
    )
    const almost = fc.record(
      {
        version: fc.oneof({ weight: 9, arbitrary: fc.constant(FORMAT_VERSION) }, anything),
        savedAt: fc.oneof(time, anything),
        records: fc.oneof(
          anything,
          fc.array(
            fc.record(
              {
                key: fc.oneof(fc.string(), anything),
                state: fc.oneof(fc.constantFrom('OPEN', 'CLOSED', 'HALF_OPEN'), anything),
                trips: fc.oneof(fc.nat(), anything),
                relapses: fc.oneof(fc.nat(), anything),
                retryAt: fc.oneof(time, anything),
                isRecovering: fc.oneof(fc.boolean(), anything),
                isIsolated: fc.oneof(fc.boolean(), anything),
                lastTrip: anything
              },
              { requiredKeys: [] }
            )
          )
        )
      },
      { requiredKeys: [] }
    )
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), almost), value => check(decodeText(JSON.stringify(value)))),
      { numRuns: 1000 }
    )
  })

  test('bits that were flipped do no harm', () => {
    const good = encodeRecords(of(record, recovering, isolated))
    let read = 0
    fc.assert(
      fc.property(fc.array(fc.nat(good.length * 8 - 1), { minLength: 1, maxLength: 4 }), flips => {
        const bytes = good.slice()
        for (const bit of flips) bytes[bit >> 3]! ^= 1 << (bit & 7)
        const decoded = decodeRecords(bytes)
        if ('saved' in decoded) read++
        check(decoded)
      }),
      { numRuns: 1000 }
    )
    expect(read).toBeGreaterThan(0)
  })
})
