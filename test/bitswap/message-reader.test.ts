import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  BitswapMessage,
  type BitswapMessageInput,
  BlockPresenceType,
  WantType
} from '../../node_modules/@helia/bitswap/dist/src/pb/message.js'
import { Uint8ArrayList } from '../../node_modules/uint8arraylist/dist/src/index.js'
import { MessageReader, type MessageVisitor, type WantlistEntry } from '../../src/bitswap/message-reader.ts'
import { seededRandom } from '../support/random.ts'

const MiB = 1024 * 1024
const LIMIT = 4 * MiB + 64 * 1024

type Told =
  | ['want', number[], WantlistEntry]
  | ['block', number[], number, number[] | undefined]
  | ['presence', number[], boolean]
  | ['message']

/** Notes all it is told, bytes as plain numbers. */
class Recorder implements MessageVisitor {
  readonly told: Told[] = []
  readonly #needs: () => boolean

  constructor(needs: () => boolean = () => true) {
    this.#needs = needs
  }

  want(cid: Uint8Array, entry: WantlistEntry): void {
    this.told.push(['want', [...cid], entry])
  }

  block(prefix: Uint8Array, size: number, data: Uint8Array | undefined): void {
    this.told.push(['block', [...prefix], size, data && [...data]])
  }

  needsData(): boolean {
    return this.#needs()
  }

  presence(cid: Uint8Array, has: boolean): void {
    this.told.push(['presence', [...cid], has])
  }

  // Told apart, below.
  fullWantlist(): void {}

  message(): void {
    this.told.push(['message'])
  }
}

/** A visitor that keeps nothing, for what is measured. */
function visitorThat(does: Partial<MessageVisitor>): MessageVisitor {
  return {
    want() {},
    fullWantlist() {},
    block() {},
    needsData: () => false,
    presence() {},
    message() {},
    ...does
  }
}

function read(...chunks: Array<Uint8Array | Iterable<Uint8Array>>): { told: Told[]; isBroken: boolean } {
  const recorder = new Recorder()
  const reader = new MessageReader(recorder)
  for (const chunk of chunks) reader.push(chunk)
  return { told: recorder.told, isBroken: reader.isBroken }
}

// An encoder of the wire format by hand, for what Helia's own never writes.

function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = []
  let rest = BigInt(value)
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return Uint8Array.of(...bytes, Number(rest))
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}

function number(field: number, value: number | bigint): Uint8Array {
  return join(varint(field * 8), varint(BigInt.asUintN(64, BigInt(value))))
}

function bytes(field: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const joined = join(...contents)
  return join(varint(field * 8 + 2), varint(joined.length), joined)
}

function fixed(field: number, size: 4 | 8): Uint8Array {
  return join(varint(field * 8 + (size === 4 ? 5 : 1)), new Uint8Array(size).fill(0xff))
}

function framed(...fields: readonly Uint8Array[]): Uint8Array {
  const joined = join(...fields)
  return join(varint(joined.length), joined)
}

const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const cid = (value: number): Uint8Array => filled(36, value)
const listed = (value: number): number[] => [...cid(value)]
const plainWant: WantlistEntry = { cancel: false, isHave: false, sendDontHave: false }

/** What a reader has to tell of a message that Helia's decoder read, in the order of Helia's encoder. */
function toldBy({ wantlist, blocks, blockPresences }: BitswapMessage): Told[] {
  return [
    ...(wantlist?.entries ?? []).map((entry): Told => {
      const { cancel = false, sendDontHave = false, wantType } = entry
      return ['want', [...entry.cid], { cancel, isHave: wantType === WantType.WantHave, sendDontHave }]
    }),
    ...blocks.map(({ prefix, data }): Told => ['block', [...prefix], data.length, [...data]]),
    ...blockPresences.map((presence): Told => {
      return ['presence', [...presence.cid], presence.type === BlockPresenceType.HaveBlock]
    }),
    ['message']
  ]
}

const sample: BitswapMessageInput = {
  wantlist: {
    full: true,
    entries: [
      { cid: cid(1), priority: 1, wantType: WantType.WantBlock },
      { cid: cid(2), priority: -1, wantType: WantType.WantHave, sendDontHave: true },
      { cid: cid(3), cancel: true }
    ]
  },
  blocks: [
    { prefix: Uint8Array.of(1, 0x55, 0x12, 32), data: filled(20, 7) },
    { prefix: Uint8Array.of(1, 0x70, 0x12, 32), data: new Uint8Array() }
  ],
  blockPresences: [
    { cid: cid(4), type: BlockPresenceType.HaveBlock },
    { cid: cid(5), type: BlockPresenceType.DoNotHaveBlock }
  ],
  pendingBytes: 300
}
const sampleBytes = framed(BitswapMessage.encode(sample))
const sampleTold: Told[] = [
  ['want', listed(1), plainWant],
  ['want', listed(2), { ...plainWant, isHave: true, sendDontHave: true }],
  ['want', listed(3), { ...plainWant, cancel: true }],
  ['block', [1, 0x55, 0x12, 32], 20, Array(20).fill(7)],
  ['block', [1, 0x70, 0x12, 32], 0, []],
  ['presence', listed(4), true],
  ['presence', listed(5), false],
  ['message']
]

function cut(whole: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(whole.length / size)
  return Array.from({ length: count }, (_, index) => whole.subarray(index * size, (index + 1) * size))
}

test('a message of Helia is told in full', () => {
  expect(read(sampleBytes)).toEqual({ told: sampleTold, isBroken: false })
})

test('it does not matter how the bytes are cut', () => {
  const twice = join(sampleBytes, sampleBytes)
  const expected = { told: [...sampleTold, ...sampleTold], isBroken: false }
  for (let size = 1; size <= twice.length; size++) expect(read(...cut(twice, size))).toEqual(expected)
  for (let at = 0; at <= twice.length; at++) {
    expect(read(twice.subarray(0, at), twice.subarray(at))).toEqual(expected)
    const list = new Uint8ArrayList(twice.subarray(0, at), new Uint8Array(), twice.subarray(at))
    expect(read(list)).toEqual(expected)
  }
})

test('each thing is told with its last byte, not later', () => {
  const presence = bytes(4, bytes(1, cid(1)))
  const [length, ...contents] = framed(presence, presence)
  const recorder = new Recorder()
  const reader = new MessageReader(recorder)
  reader.push(Uint8Array.of(length!))
  const counts = contents.map(byte => {
    reader.push(Uint8Array.of(byte))
    return recorder.told.length
  })
  const { length: half } = presence
  expect(counts).toEqual([...Array(half - 1).fill(0), ...Array(half).fill(1), 3])
})

test('messages may be empty, and their parts, too', () => {
  const empty = [bytes(1, bytes(1)), bytes(2), bytes(3), bytes(4)]
  expect(read(framed(), framed(...empty), framed())).toEqual({
    told: [
      ['message'],
      ['want', [], plainWant],
      ['block', [], 0, []],
      ['block', [], 0, []],
      ['presence', [], true],
      ['message'],
      ['message']
    ],
    isBroken: false
  })
})

test('blocks of Bitswap 1.0.0 have no prefix', () => {
  expect(read(framed(bytes(2, filled(3, 9)), bytes(2, filled(2, 8)))).told).toEqual([
    ['block', [], 3, [9, 9, 9]],
    ['block', [], 2, [8, 8]],
    ['message']
  ])
})

test('fields come in any order, and the last of each counts', () => {
  const entry = [number(5, 1), number(4, 0), number(4, 1), bytes(1, cid(9)), bytes(1, cid(1)), number(2, -7)]
  const block = [bytes(2, filled(5, 4)), bytes(2, filled(2, 6)), bytes(1, cid(7)), bytes(1, filled(1, 5))]
  const presence = [number(2, 0), number(2, 1), bytes(1, cid(3))]
  const fields = [bytes(4, ...presence), bytes(3, ...block), bytes(1, number(2, 1), bytes(1, ...entry))]
  const told = [
    ['presence', listed(3), false],
    ['block', [5], 2, [6, 6]],
    ['want', listed(1), { cancel: false, isHave: true, sendDontHave: true }],
    ['message']
  ]
  expect(read(framed(...fields)).told).toEqual(told)
})

test('nothing is left over from one entry to the next', () => {
  const entry = bytes(1, bytes(1, cid(1)), number(3, 1), number(4, 1), number(5, 1))
  const fields = [bytes(1, entry, bytes(1)), bytes(4, number(2, 1), bytes(1, cid(2))), bytes(4)]
  expect(read(framed(...fields)).told).toEqual([
    ['want', listed(1), { cancel: true, isHave: true, sendDontHave: true }],
    ['want', [], plainWant],
    ['presence', listed(2), false],
    ['presence', [], true],
    ['message']
  ])
})

test('entries of several wantlists are all told', () => {
  const wantlists = [1, 2].map(value => bytes(1, bytes(1, bytes(1, cid(value)))))
  expect(read(framed(...wantlists)).told).toEqual([
    ['want', listed(1), plainWant],
    ['want', listed(2), plainWant],
    ['message']
  ])
})

test('unknown fields of every kind are skipped, wherever they are', () => {
  const unknown = [
    number(6, 2n ** 64n - 1n),
    number(0, 1),
    number(100, 0),
    number(2 ** 29 - 1, 5),
    fixed(9, 4),
    fixed(9, 8),
    bytes(16, filled(300, 0xff)),
    bytes(7)
  ]
  const entry = bytes(1, ...unknown, bytes(1, cid(1)), ...unknown)
  const block = bytes(3, ...unknown, bytes(2, filled(2, 3)), ...unknown)
  const presence = bytes(4, bytes(1, cid(2)), ...unknown)
  const message = framed(bytes(1, ...unknown, entry, ...unknown), ...unknown, block, presence, ...unknown)
  expect(read(message, framed())).toEqual({
    told: [
      ['want', listed(1), plainWant],
      ['block', [], 2, [3, 3]],
      ['presence', listed(2), true],
      ['message'],
      ['message']
    ],
    isBroken: false
  })
})

test('a known field of another wire type is an unknown one', () => {
  const entry = bytes(1, bytes(1, cid(1)), number(1, 5), bytes(3, filled(2, 1)), fixed(4, 4), fixed(5, 8))
  const message = framed(bytes(1, entry), number(1, 0), fixed(3, 4), number(4, 1))
  expect(read(message)).toEqual({ told: [['want', listed(1), plainWant], ['message']], isBroken: false })
})

test('a number that is neither 0 nor 1 is true, and no type that is known', () => {
  const entry = bytes(1, bytes(1, cid(1)), number(3, -1), number(4, 2), number(5, 2n ** 40n))
  const presences = [2, -1].map(type => bytes(4, bytes(1, cid(2)), number(2, type)))
  expect(read(framed(bytes(1, entry), ...presences)).told).toEqual([
    ['want', listed(1), { cancel: true, isHave: false, sendDontHave: true }],
    ['message']
  ])
})

test('what has an id of more than 256 bytes is left out, of a want the id alone', () => {
  const parts = (id: Uint8Array): Uint8Array[] => [
    bytes(1, bytes(1, bytes(1, id))),
    bytes(3, bytes(1, id), bytes(2, filled(1, 1))),
    bytes(4, bytes(1, id))
  ]
  expect(read(framed(...parts(filled(257, 1)))).told).toEqual([['want', [], plainWant], ['message']])
  expect(read(framed(...parts(filled(256, 1)))).told.map(([what]) => what)).toEqual([
    'want',
    'block',
    'presence',
    'message'
  ])
  // The last one counts.
  expect(read(framed(bytes(4, bytes(1, filled(257, 1)), bytes(1, cid(1))))).told).toHaveLength(2)
  expect(read(framed(bytes(4, bytes(1, cid(1)), bytes(1, filled(257, 1))))).told).toHaveLength(1)
})

test('data is given only of the blocks for which it was asked', () => {
  const answers = [false, true, false, true]
  const recorder = new Recorder(() => answers.shift()!)
  const block = (value: number): Uint8Array => bytes(3, bytes(1, filled(2, 1)), bytes(2, filled(3, value)))
  const message = framed(block(1), block(2), bytes(2, filled(3, 3)), bytes(2, filled(3, 4)))
  const reader = new MessageReader(recorder)
  for (const chunk of cut(message, 2)) reader.push(chunk)
  expect(recorder.told).toEqual([
    ['block', [1, 1], 3, undefined],
    ['block', [1, 1], 3, [2, 2, 2]],
    ['block', [], 3, undefined],
    ['block', [], 3, [4, 4, 4]],
    ['message']
  ])
  expect(answers).toEqual([])
})

test('what is given stays, whatever becomes of the chunk', () => {
  const given: Uint8Array[] = []
  const visitor = visitorThat({
    want: id => given.push(id),
    block: (prefix, _, data) => given.push(prefix, data!),
    needsData: () => true
  })
  const chunk = framed(bytes(1, bytes(1, bytes(1, cid(1)))), bytes(3, bytes(1, cid(2)), bytes(2, cid(3))))
  const before = chunk.slice()
  new MessageReader(visitor).push(chunk)
  expect(chunk).toEqual(before)
  chunk.fill(0)
  expect(given).toEqual([cid(1), cid(2), cid(3)])
})

const malformed: ReadonlyArray<[string, Uint8Array]> = [
  ['a message longer than the limit', varint(LIMIT + 1)],
  ['a message of 2^64 bytes', varint(2n ** 64n - 1n)],
  ['a length of more than 10 bytes', filled(10, 0x80)],
  ['a length padded with zeros', Uint8Array.of(0x80, 0)],
  ['a tag of more than 10 bytes', join(varint(100), filled(10, 0x80))],
  ['a tag of more than 32 bits', framed(varint(2n ** 32n), varint(0))],
  ['a number of more than 10 bytes', framed(varint(6 * 8), filled(10, 0x80), filled(9, 0))],
  ['a size of more than 10 bytes', framed(varint(6 * 8 + 2), filled(10, 0x80), filled(9, 0))],
  ['a size of 2^64', framed(varint(6 * 8 + 2), varint(2n ** 64n - 1n))],
  ['a field beyond its message', framed(varint(6 * 8 + 2), varint(4), filled(3, 0))],
  ['data beyond its block', framed(varint(3 * 8 + 2), varint(4), varint(2 * 8 + 2), varint(3), filled(9, 0))],
  ['a block of 1.0.0 beyond its message', framed(varint(2 * 8 + 2), varint(4), filled(3, 0))],
  ['a wantlist beyond its message', framed(varint(8 + 2), varint(1))],
  ['an entry beyond its wantlist', framed(bytes(1, varint(8 + 2), varint(1)), filled(9, 0))],
  ['32 bits beyond their message', framed(varint(6 * 8 + 5), filled(3, 0))],
  ['64 bits beyond their message', framed(varint(6 * 8 + 1), filled(7, 0))],
  ['a tag without a number', framed(varint(6 * 8))],
  ['a tag without a size', framed(varint(6 * 8 + 2))],
  ['a tag cut off', framed(Uint8Array.of(0x80))],
  ['a number cut off', framed(bytes(1, varint(6 * 8), Uint8Array.of(0x80)), number(6, 1))],
  ...[3, 4, 6, 7].map((wireType): [string, Uint8Array] => [
    `wire type ${wireType}`,
    framed(varint(6 * 8 + wireType), filled(9, 0))
  ])
]

test.each(malformed)('%s breaks the reader, and nothing after it is told', (_, wrong) => {
  const before = sampleTold
  expect(read(sampleBytes, wrong, sampleBytes)).toEqual({ told: before, isBroken: true })
  expect(read(...cut(join(sampleBytes, wrong, sampleBytes), 1))).toEqual({ told: before, isBroken: true })
  // At its own last byte, without waiting for more.
  expect(read(wrong).isBroken).toBe(true)
})

test('a message of 4 MiB and a little is read', () => {
  const sizes: number[] = []
  const reader = new MessageReader(visitorThat({ block: (_, size) => sizes.push(size) }))
  for (const size of [4 * MiB, LIMIT]) reader.push(framed(bytes(2, new Uint8Array(size - 5))))
  expect(sizes).toEqual([4 * MiB - 5, LIMIT - 5])
  expect(reader.isBroken).toBe(false)
})

test('a longer one is told from one that is none', () => {
  const broken = [
    varint(LIMIT + 1),
    varint(2 ** 40),
    join(varint(2), Uint8Array.of(7, 7)),
    Uint8Array.of(0x80, 0)
  ]
  const readers = broken.map(message => {
    const reader = new MessageReader(visitorThat({}))
    reader.push(message)
    return reader
  })
  expect(readers.map(({ isBroken }) => isBroken)).toEqual([true, true, true, true])
  expect(readers.map(({ isTooLong }) => isTooLong)).toEqual([true, true, false, false])
})

test('what the visitor throws comes out, and breaks the reader', () => {
  const bug = new Error('bug')
  let wants = 0
  const reader = new MessageReader(
    visitorThat({
      want() {
        wants++
        throw bug
      }
    })
  )
  expect(() => reader.push(join(sampleBytes, sampleBytes))).toThrow(bug)
  expect(reader.isBroken).toBe(true)
  reader.push(sampleBytes)
  expect(wants).toBe(1)
})

/** Bytes that count how often one of them is looked at. */
function counted(chunk: Uint8Array): { chunk: Uint8Array; looks: () => number } {
  let looks = 0
  const proxy = new Proxy(chunk, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) looks++
      const value = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
  return { chunk: proxy, looks: () => looks }
}

test('the bytes of a block that is not needed are neither looked at nor kept', () => {
  const sizes: number[] = []
  const reader = new MessageReader(visitorThat({ block: (_, size) => sizes.push(size) }))
  const contents = counted(new Uint8Array(64 * 1024))
  const head = join(varint(3 * 8 + 2), varint(2 * MiB + 5), varint(2 * 8 + 2), varint(2 * MiB))
  const before = process.memoryUsage().arrayBuffers
  reader.push(join(varint(2 * MiB + head.length), head))
  for (let sent = 0; sent < 2 * MiB; sent += 64 * 1024) reader.push(contents.chunk)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024)
  expect(sizes).toEqual([2 * MiB])
  expect(contents.looks()).toBe(0)
  const next = counted(framed())
  reader.push(next.chunk)
  expect(next.looks()).toBe(1)
})

test('a block that is needed takes its size once, however it is cut', () => {
  const size = 4 * MiB - 100
  let held: Uint8Array | undefined
  const reader = new MessageReader(
    visitorThat({ block: (_, __, data) => (held = data), needsData: () => true })
  )
  const chunk = filled(1000, 7)
  const before = process.memoryUsage().arrayBuffers
  reader.push(join(varint(size + 5), varint(2 * 8 + 2), varint(size)))
  for (let left = size; left > 0; left -= chunk.length) reader.push(chunk.subarray(0, left))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(size + 64 * 1024)
  expect(held).toHaveLength(size)
  expect(held!.every(byte => byte === 7)).toBe(true)
})

/** Bytes of buffers in use, those nobody holds not counted. */
async function heldBytes(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  for (let round = 0; round < 4; round++) {
    collect()
    // Buffers are freed a turn later.
    await new Promise(resolve => setImmediate(resolve))
  }
  return process.memoryUsage().arrayBuffers
}

test('a block is let go once it is told, or turns out to be none', async () => {
  const before = await heldBytes()
  const readers = [new Uint8Array(), varint(7)].map(end => {
    const reader = new MessageReader(visitorThat({ needsData: () => true }))
    reader.push(framed(bytes(3, bytes(2, new Uint8Array(MiB)), end)))
    return reader
  })
  expect((await heldBytes()) - before).toBeLessThan(MiB / 2)
  expect(readers.map(reader => reader.isBroken)).toEqual([false, true])
})

// What follows holds for whatever comes.

const id = fc.uint8Array({ maxLength: 60 })
const perhaps = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined })
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })

const heliaMessage: fc.Arbitrary<BitswapMessageInput> = fc.record({
  wantlist: perhaps(
    fc.record({
      entries: fc.array(
        fc.record({
          cid: id,
          priority: int32,
          cancel: perhaps(fc.boolean()),
          wantType: perhaps(fc.constantFrom(WantType.WantBlock, WantType.WantHave)),
          sendDontHave: perhaps(fc.boolean())
        })
      ),
      full: perhaps(fc.boolean())
    })
  ),
  blocks: fc.array(fc.record({ prefix: id, data: fc.uint8Array({ maxLength: 300 }) })),
  blockPresences: fc.array(
    fc.record({
      cid: id,
      type: fc.constantFrom(BlockPresenceType.HaveBlock, BlockPresenceType.DoNotHaveBlock)
    })
  ),
  pendingBytes: int32
})

const unknownField = fc.oneof(
  fc
    .tuple(fc.integer({ min: 6, max: 2 ** 29 - 1 }), fc.bigInt(0n, 2n ** 64n - 1n))
    .map(args => number(...args)),
  fc
    .tuple(fc.integer({ min: 6, max: 5000 }), fc.constantFrom(4 as const, 8 as const))
    .map(args => fixed(...args)),
  fc.tuple(fc.integer({ min: 6, max: 5000 }), fc.uint8Array({ maxLength: 200 })).map(args => bytes(...args))
)
const flag = fc.constantFrom(0, 1)

/** The fields given and unknown ones, each any number of times, in any order. */
const fieldsOf = (...known: Array<fc.Arbitrary<Uint8Array>>): fc.Arbitrary<Uint8Array[]> =>
  fc.array(fc.oneof(unknownField, ...known), { maxLength: 8 })

const entryField = fieldsOf(
  id.map(value => bytes(1, value)),
  int32.map(value => number(2, value)),
  flag.map(value => number(3, value)),
  flag.map(value => number(4, value)),
  flag.map(value => number(5, value))
).map(fields => bytes(1, ...fields))
const blockField = fieldsOf(
  id.map(value => bytes(1, value)),
  fc.uint8Array({ maxLength: 300 }).map(value => bytes(2, value))
).map(fields => bytes(3, ...fields))
const presenceField = fieldsOf(
  id.map(value => bytes(1, value)),
  flag.map(value => number(2, value))
).map(fields => bytes(4, ...fields))
const wantlistField = fieldsOf(
  entryField,
  flag.map(value => number(2, value))
).map(fields => bytes(1, ...fields))

/** A message as no encoder would write it; of several wantlists Helia would read but the last. */
const oddMessage = fc
  .tuple(
    fieldsOf(
      blockField,
      presenceField,
      int32.map(value => number(5, value))
    ),
    fc.array(wantlistField, { maxLength: 1 }),
    fc.nat(8)
  )
  .map(([fields, wantlist, at]) => join(...fields.toSpliced(at, 0, ...wantlist)))

const encoded = fc.oneof(
  heliaMessage.map(message => Uint8Array.from(BitswapMessage.encode(message))),
  oddMessage
)

/** Cuts at pseudorandom places, now and then into lists. */
function cutAnyhow(whole: Uint8Array, seed: number): Array<Uint8Array | Uint8ArrayList> {
  const random = seededRandom(seed)
  const longest = 2 ** (1 + Math.floor(random() * 9))
  const chunks: Array<Uint8Array | Uint8ArrayList> = []
  for (let at = 0; at < whole.length; ) {
    const [first, second] = [Math.floor(random() * longest), 1 + Math.floor(random() * longest)]
    const parts = [whole.subarray(at, at + first), whole.subarray(at + first, at + first + second)]
    chunks.push(...(random() < 0.5 ? parts : [new Uint8ArrayList(...parts)]))
    at += first + second
  }
  return chunks
}

/** By kind, as Helia's decoder gathers them; each kind in the order of the message. */
function sorted(told: readonly Told[]): Told[] {
  const order = ['want', 'block', 'presence', 'message']
  return told.toSorted((a, b) => order.indexOf(a[0]) - order.indexOf(b[0]))
}

test("any messages are read as by Helia's decoder", () => {
  fc.assert(
    fc.property(fc.array(encoded, { maxLength: 4 }), fc.integer(), (messages, seed) => {
      const stream = join(...messages.map(message => framed(message)))
      const { told, isBroken } = read(...cutAnyhow(stream, seed))
      expect(isBroken).toBe(false)
      expect(sorted(told)).toEqual(sorted(messages.flatMap(each => toldBy(BitswapMessage.decode(each)))))
    }),
    { numRuns: 500, seed: 20_260_201 }
  )
})

/** A stream with some bits turned, and perhaps cut off. */
const damaged = fc
  .tuple(
    fc.array(encoded, { minLength: 1, maxLength: 3 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(7)), { maxLength: 4 }),
    fc.nat()
  )
  .map(([messages, flips, end]) => {
    const stream = join(...messages.map(message => framed(message)))
    for (const [at, bit] of flips) stream[at % stream.length]! ^= 1 << bit
    return stream.subarray(0, end % (stream.length * 2))
  })

test('damage never throws, is read the same however it is cut, and adds nothing before it', () => {
  fc.assert(
    fc.property(
      fc.oneof(damaged, fc.uint8Array({ maxLength: 300 })),
      fc.integer(),
      fc.nat(),
      (stream, seed, at) => {
        const whole = read(stream)
        expect(read(...cutAnyhow(stream, seed))).toEqual(whole)
        expect(read(...cut(stream, 1))).toEqual(whole)
        const early = read(stream.subarray(0, at % (stream.length + 1)))
        expect(whole.told.slice(0, early.told.length)).toEqual(early.told)
        if (early.isBroken) expect(early).toEqual(whole)
        for (const [what, name] of whole.told) if (what !== 'message') expect(name.length).toBeLessThan(257)
      }
    ),
    { numRuns: 1000, seed: 20_260_202 }
  )
})

test.each([
  ['full', { full: true, entries: [] }, 1],
  ['full, with an entry', { full: true, entries: [{ cid: Uint8Array.of(1), priority: 1 }] }, 1],
  ['not full, with a priority', { full: false, entries: [{ cid: Uint8Array.of(1), priority: 1 }] }, 0],
  ['empty', { entries: [] }, 0]
])('a wantlist that is %s', (_, wantlist, expected) => {
  let told = 0
  const reader = new MessageReader(visitorThat({ fullWantlist: () => told++ }))
  const bytes = BitswapMessage.encode({ wantlist } as never)
  reader.push(join(varint(bytes.length), bytes))
  expect([told, reader.isBetweenMessages]).toEqual([expected, true])
})

test('it is known whether a message has ended', () => {
  const reader = new MessageReader(visitorThat({}))
  const ends: number[] = []
  const two = join(sampleBytes, Uint8Array.of(0), sampleBytes)
  for (let at = 0; at < two.length; at++) {
    reader.push(two.subarray(at, at + 1))
    if (reader.isBetweenMessages) ends.push(at + 1)
  }
  expect(ends).toEqual([sampleBytes.length, sampleBytes.length + 1, two.length])
})

test('a truncated message is told up to where it ends', () => {
  for (let end = 0; end < sampleBytes.length; end++) {
    const { told, isBroken } = read(sampleBytes.subarray(0, end))
    expect(isBroken).toBe(false)
    expect(told).toEqual(sampleTold.slice(0, told.length))
    expect(told.length).toBeLessThan(sampleTold.length)
  }
})

test('a flood of streams that promise much and keep little costs little', () => {
  const random = seededRandom(20_260_203)
  const noise = Uint8Array.from({ length: 3000 }, () => random() * 256)
  const promise = join(varint(4 * MiB), varint(2 * 8 + 2), varint(4 * MiB - 5), filled(1000, 1))
  const before = process.memoryUsage().arrayBuffers
  const readers = Array.from({ length: 4000 }, () => new MessageReader(visitorThat({})))
  for (const [index, reader] of readers.entries()) {
    reader.push(index % 2 === 0 ? promise : noise.subarray(index / 2))
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MiB)
  expect(readers.filter(reader => reader.isBroken).length).toBeGreaterThan(1000)
})
