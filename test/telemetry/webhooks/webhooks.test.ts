import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setImmediate } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/core/index.ts'
import { type WebhookOptions, Webhooks } from '../../../src/telemetry/index.ts'

const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes, ok').toString('base64')}`

/** What was received. */
interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What is answered: a status with headers, nothing at all, or an end of the connection. */
type Answer =
  | number
  | { readonly status: number; readonly headers: Record<string, string> }
  | 'silence'
  | 'reset'

let server: Server
let base: string
let received: Received[]
/** Answers to come; after those, 204. */
let answers: Answer[]
let folder: string

beforeEach(async () => {
  received = []
  answers = []
  folder = await mkdtemp(join(tmpdir(), 'webhooks-'))
  server = createServer(async (request, response) => {
    received.push({ path: request.url!, headers: request.headers, body: await text(request) })
    const answer = answers.shift() ?? 204
    if (answer === 'silence') return
    if (answer === 'reset') request.socket.resetAndDestroy()
    else if (typeof answer === 'number') response.writeHead(answer).end()
    else response.writeHead(answer.status, answer.headers).end('a body that nobody reads')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

function create(options: Partial<WebhookOptions> = {}) {
  const clock = new ManualClock()
  const errors: string[] = []
  const webhooks = new Webhooks(
    { urls: { failover: `${base}/failover`, recovery: `${base}/recovery` }, ...options },
    { clock, random: () => 0, onError: ({ message }) => errors.push(message) }
  )
  return { clock, errors, webhooks }
}

/** Resolves when it is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await setImmediate()
}

const deadLetters = async (): Promise<Array<Record<string, unknown>>> =>
  (await readFile(join(folder, 'dead.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

test('is sent to whom it is for, as JSON with type, time and data', async () => {
  const { clock, webhooks } = create()
  webhooks.send('failover', { endpoint: 'a:1' })
  await until(() => webhooks.getStatus().delivered === 1)
  expect(received).toHaveLength(1)
  const [{ path, headers, body }] = received as [Received]
  expect(path).toBe('/failover')
  expect(headers['content-type']).toBe('application/json')
  expect(headers['webhook-id']).toMatch(/^msg_[0-9a-f-]{36}$/)
  expect(headers['webhook-signature']).toBe(undefined)
  expect(JSON.parse(body)).toEqual({
    type: 'failover',
    timestamp: new Date(clock.wallTime()).toISOString(),
    data: { endpoint: 'a:1' }
  })
  await webhooks.close()
})

test('is not sent if there is nobody for it', async () => {
  const { webhooks } = create()
  webhooks.send('degraded', {})
  expect(webhooks.getStatus()).toMatchObject({ waiting: 0, delivered: 0, lost: 0 })
  await webhooks.close()
})

describe('a signature', () => {
  test('is that of Standard Webhooks', async () => {
    const { webhooks } = create({ secret: SECRET })
    webhooks.send('failover', { endpoint: 'a:1' })
    await until(() => webhooks.getStatus().delivered === 1)
    const [{ headers, body }] = received as [Received]
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64')
    const expected = createHmac('sha256', key).update(signed).digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${expected}`)
    await webhooks.close()
  })

  test('is accepted by whoever has the secret, and by nobody else; nor for another body', async () => {
    const clock = new ManualClock()
    const now = { wallTime: () => Date.now(), now: () => clock.now(), schedule: clock.schedule.bind(clock) }
    const webhooks = new Webhooks({ urls: { failover: base }, secret: SECRET }, { clock: now })
    webhooks.send('failover', { endpoint: 'a:1' })
    await until(() => webhooks.getStatus().delivered === 1)
    const [{ headers, body }] = received as [Received]
    const given = headers as Record<string, string>
    expect(new Webhook(SECRET).verify(body, given)).toMatchObject({ type: 'failover' })
    const other = `whsec_${Buffer.from('another secret of as many bytes!').toString('base64')}`
    expect(() => new Webhook(other).verify(body, given)).toThrow('No matching signature')
    expect(() => new Webhook(SECRET).verify(body.replace('a:1', 'b:1'), given)).toThrow(
      'No matching signature'
    )
    await webhooks.close()
  })
})

describe('what is not taken', () => {
  test.each<[string, Answer]>([
    ['an error of the server', 500],
    ['too many', 429],
    ['too early', 425],
    ['no answer in time', 'silence'],
    ['an end of the connection', 'reset']
  ])('for %s is sent again, with the same id, later and later', async (_, answer) => {
    answers = [answer, answer, answer]
    const { clock, webhooks } = create({ timeoutMs: 5_000 })
    webhooks.send('failover', {})
    for (const [attempt, waitMs] of [500, 1_000, 2_000].entries()) {
      await until(() => received.length === attempt + 1)
      if (answer === 'silence') clock.advance(5_000)
      await until(() => webhooks.getStatus().sending === 0)
      clock.advance(waitMs - 1)
      await setImmediate()
      expect(received).toHaveLength(attempt + 1)
      clock.advance(1)
    }
    await until(() => webhooks.getStatus().delivered === 1)
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    const times = received.map(({ headers }) => Number(headers['webhook-timestamp']))
    expect(times[3]! - times[0]!).toBeGreaterThanOrEqual(3)
    await webhooks.close()
  })

  test('is not sent again before it is asked for', async () => {
    answers = [{ status: 503, headers: { 'retry-after': '30' } }]
    const { clock, webhooks } = create()
    webhooks.send('failover', {})
    await until(() => webhooks.getStatus().sending === 0)
    clock.advance(29_999)
    await setImmediate()
    expect(received).toHaveLength(1)
    clock.advance(1)
    await until(() => webhooks.getStatus().delivered === 1)
    await webhooks.close()
  })

  test.each([400, 401, 404, 410, 301])('for good, as with %i, is lost at once, and kept', async status => {
    answers = [status]
    const { errors, webhooks } = create({ deadLetterFile: join(folder, 'dead.jsonl') })
    webhooks.send('failover', { endpoint: 'a:1' })
    await until(() => webhooks.getStatus().lost === 1)
    await webhooks.close()
    expect(received).toHaveLength(1)
    const [letter] = await deadLetters()
    expect(letter).toMatchObject({
      id: received[0]!.headers['webhook-id'],
      type: 'failover',
      url: `${base}/failover`,
      attempts: 1,
      reason: `it was answered with ${status}`,
      body: { data: { endpoint: 'a:1' } }
    })
    expect(errors).toEqual([`A webhook of failover was not delivered: it was answered with ${status}`])
  })

  test('so often as may be is lost', async () => {
    answers = [500, 500, 500, 500]
    const { clock, webhooks } = create({ maxAttempts: 3 })
    webhooks.send('failover', {})
    for (let attempt = 1; attempt <= 3; attempt++) {
      await until(() => received.length === attempt)
      await until(() => webhooks.getStatus().sending === 0)
      clock.advance(1_000)
    }
    await until(() => webhooks.getStatus().lost === 1)
    expect(received).toHaveLength(3)
    expect(clock.pendingTimers).toBe(0)
    await webhooks.close()
  })

  test('by one does not hold up another', async () => {
    answers = ['silence']
    const { webhooks } = create()
    webhooks.send('failover', {})
    await until(() => received.length === 1)
    webhooks.send('recovery', {})
    await until(() => webhooks.getStatus().delivered === 1)
    expect(received[1]!.path).toBe('/recovery')
    await webhooks.close()
  })
})

describe('when there are many', () => {
  test('eight are sent at once, and the others after them', async () => {
    answers = Array.from({ length: 8 }, () => 'silence' as const)
    const { clock, webhooks } = create({ maxAttempts: 1 })
    for (let number = 0; number < 20; number++) webhooks.send('failover', { number })
    await until(() => received.length === 8)
    await setImmediate()
    expect(received).toHaveLength(8)
    expect(webhooks.getStatus()).toMatchObject({ waiting: 12, sending: 8 })
    clock.advance(10_000)
    await until(() => webhooks.getStatus().delivered === 12)
    expect(webhooks.getStatus()).toMatchObject({ waiting: 0, lost: 8 })
    expect(webhooks.getStatus().lastError).toBe('there was no answer within 10000 ms')
    await webhooks.close()
  })

  test('those that have no room are lost, and kept', async () => {
    answers = Array.from({ length: 8 }, () => 'silence' as const)
    const { webhooks } = create({ maxWaiting: 2, deadLetterFile: join(folder, 'dead.jsonl') })
    for (let number = 0; number < 12; number++) webhooks.send('failover', { number })
    expect(webhooks.getStatus()).toMatchObject({ waiting: 2, sending: 8, lost: 2 })
    await webhooks.close()
    const letters = await deadLetters()
    expect(letters.map(({ body }) => (body as { data: { number: number } }).data.number).slice(0, 2)).toEqual(
      [10, 11]
    )
    expect(letters[0]).toMatchObject({ attempts: 0, reason: 'too many wait already' })
  })
})

describe('in the end', () => {
  test('what is under way is waited for as long as it is told', async () => {
    const { webhooks } = create()
    webhooks.send('failover', {})
    await webhooks.close(5_000)
    expect(received).toHaveLength(1)
    expect(webhooks.getStatus()).toMatchObject({ waiting: 0, delivered: 1, lost: 0 })
  })

  test('what is not delivered by then is lost, and kept', async () => {
    answers = ['silence', 500]
    const { clock, webhooks } = create({ deadLetterFile: join(folder, 'dead.jsonl') })
    webhooks.send('failover', {})
    await until(() => received.length === 1)
    webhooks.send('recovery', {})
    await until(() => webhooks.getStatus().waiting === 1)
    const closed = webhooks.close(5_000)
    clock.advance(500)
    await until(() => webhooks.getStatus().delivered === 1)
    clock.advance(4_499)
    await setImmediate()
    expect(webhooks.getStatus()).toMatchObject({ sending: 1, lost: 0 })
    clock.advance(1)
    await closed
    expect(webhooks.getStatus()).toMatchObject({ waiting: 0, delivered: 1, lost: 1 })
    expect((await deadLetters()).map(({ type, reason }) => [type, reason])).toEqual([
      ['failover', 'it was not delivered before the end']
    ])
    expect(clock.pendingTimers).toBe(0)
  })

  test('nothing more is sent', async () => {
    const { webhooks } = create()
    await webhooks[Symbol.asyncDispose]()
    webhooks.send('failover', {})
    await setImmediate()
    expect(received).toEqual([])
    expect(webhooks.getStatus().lost).toBe(1)
  })
})

describe('options', () => {
  test.each<[string, object]>([
    ['webhooks.urls.failure', { urls: { failure: 'https://a.example' } }],
    ['webhooks.urls.failover', { urls: { failover: 'http://a.example' } }],
    ['webhooks.urls.failover', { urls: { failover: 'ftp://127.0.0.1' } }],
    ['webhooks.urls.failover', { urls: { failover: 'https://user:word@a.example' } }],
    ['webhooks.urls.failover', { urls: { failover: 7 } }],
    ['webhooks.maxAttempts', { maxAttempts: 0 }],
    ['webhooks.timeout', { timeout: 1 }]
  ])('that are wrong are told: %s', (option, options) => {
    expect(() => new Webhooks(options)).toThrow(expect.objectContaining({ option }))
  })

  test.each(['', 'whsec_', 'whsec_c2hvcnQ=', `whsec_${'A'.repeat(200)}`, 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'])(
    'a wrong secret is told, and not shown: %j',
    secret => {
      const create = () => new Webhooks({ secret })
      expect(create).toThrow(expect.objectContaining({ option: 'webhooks.secret', value: '(hidden)' }))
      if (secret.length > 10) expect(create).not.toThrow(secret)
    }
  )

  test('addresses may be of this machine without TLS', () => {
    for (const failover of [
      'http://localhost:1',
      'http://127.0.0.1:1/a',
      'http://[::1]:1',
      'https://a.example/b?c'
    ])
      expect(() => new Webhooks({ urls: { failover } })).not.toThrow()
  })
})
