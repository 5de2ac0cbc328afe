import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock, Protection } from '../../../src/core/index.ts'
import { AuditLog, type AuditOptions, recordEvents } from '../../../src/telemetry/index.ts'
import { create as createChannel } from '../../relay/nodes/support/channel.ts'

let folder: string
let file: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audit-'))
  file = join(folder, 'audit.jsonl')
})

afterEach(() => rm(folder, { recursive: true }))

function create(options: Partial<AuditOptions> = {}, clock = new ManualClock()) {
  const errors: unknown[] = []
  const log = new AuditLog({ file, ...options }, { clock, onError: error => errors.push(error) })
  return { log, clock, errors }
}

const entries = async (): Promise<Array<Record<string, unknown>>> =>
  (await readFile(file, 'utf8'))
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))

test('each entry is a line with time and type', async () => {
  const { log, clock } = create()
  log.record('daemon:start', { version: '1.0.0' })
  clock.advance(1_500)
  log.record('daemon:stop')
  await log.flush()
  const start = clock.wallTime() - 1_500
  expect(await entries()).toEqual([
    { at: new Date(start).toISOString(), type: 'daemon:start', version: '1.0.0' },
    { at: new Date(start + 1_500).toISOString(), type: 'daemon:stop' }
  ])
  await log[Symbol.asyncDispose]()
})

test('what JSON has no form for is kept in words, and nothing endless', async () => {
  const { log } = create()
  log.record('a', {
    error: new TypeError('wrong', { cause: new Error('secret') }),
    height: 5n,
    text: 'x'.repeat(2_000),
    lines: 'a\nb',
    none: undefined
  })
  await log.flush()
  const [entry] = await entries()
  const { error, text } = entry!
  expect(entry).toMatchObject({ error: { name: 'TypeError', message: 'wrong' }, height: '5', lines: 'a\nb' })
  expect(Object.keys(entry!)).toEqual(['at', 'type', 'error', 'height', 'text', 'lines'])
  expect(error as object).not.toHaveProperty('cause')
  expect(text).toBe(`${'x'.repeat(1_000)}…`)
  await log[Symbol.asyncDispose]()
})

test('what was lost is told as soon as it can be', async () => {
  await mkdir(file)
  const { log, errors } = create()
  log.record('a')
  log.record('b')
  await log.flush()
  expect(log.lost).toBe(2)
  expect(errors.length).toBeGreaterThan(0)
  await rm(file, { recursive: true })
  log.record('c')
  log.record('d')
  await log.flush()
  expect((await entries()).map(({ type, entries: lost }) => [type, lost])).toEqual([
    ['audit:lost', 2],
    ['c', undefined],
    ['d', undefined]
  ])
  await log[Symbol.asyncDispose]()
})

test.each<[string, Partial<AuditOptions>]>([
  ['audit.maxBytes', { maxBytes: 10 }],
  ['audit.maxFiles', { maxFiles: 0 }],
  ['audit.file', { file: '' }]
])('a wrong option is told: %s', (option, options) => {
  expect(() => new AuditLog(options)).toThrow(expect.objectContaining({ option }))
})

describe('events', () => {
  test('of nodes are written down, with what they failed with', async () => {
    const made = createChannel()
    const { log } = create({}, made.clock)
    const end = recordEvents(log, { channels: [made.channel] })
    made.node('a').conduct = { fails: () => new Error('broken') }
    await made.ends(made.read())
    await made.ends(made.read())
    await log.flush()
    const written = await entries()
    expect(written.map(({ type, endpoint }) => `${type} ${endpoint}`)).toEqual(made.told())
    expect(written[0]).toMatchObject({
      type: 'node:suspect',
      endpoint: 'a:1',
      role: 'primary',
      error: { name: 'Error', message: 'broken' },
      at: new Date(made.events[0]!.at).toISOString()
    })
    end()
    await made.channel.isolate('b:1')
    await log.flush()
    expect(await entries()).toHaveLength(written.length)
    await made.channel.close()
    await log[Symbol.asyncDispose]()
  })

  test('of peers are written down', async () => {
    const clock = new ManualClock()
    const events = new EventTarget()
    const protection = new Protection({}, { clock })
    protection.onEvent(detail =>
      events.dispatchEvent(new CustomEvent(detail.type, { detail: { ...detail, peer: { an: 'object' } } }))
    )
    const { log } = create({}, clock)
    const end = recordEvents(log, { bitswap: [events as never] })
    protection.isolate('peer-a')
    protection.release('peer-a')
    protection.trip('peer-b')
    await log.flush()
    expect(await entries()).toMatchObject([
      { type: 'isolate', peer: 'peer-a' },
      { type: 'release', peer: 'peer-a' },
      { type: 'circuit:open', peer: 'peer-b', from: 'CLOSED', to: 'OPEN' }
    ])
    end()
    protection.isolate('peer-c')
    await log.flush()
    expect(await entries()).toHaveLength(3)
    await log[Symbol.asyncDispose]()
  })
})
