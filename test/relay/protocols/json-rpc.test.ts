import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { InvalidOptionError } from '../../../src/core/index.ts'
import {
  encodeBatch,
  encodeRequest,
  readBatch,
  readMessage,
  readReply,
  readReplyTo
} from '../../../src/relay/protocols/json-rpc.ts'
import { BadReplyError, RpcError, type RpcReply } from '../../../src/relay/protocols/rpc.ts'

const NODE = 'node.test:8332'
const bad = (detail: string) =>
  expect.objectContaining({
    name: BadReplyError.name,
    endpoint: NODE,
    message: expect.stringContaining(detail)
  })

describe('a request', () => {
  test('is JSON-RPC 2.0 on one line, always with a list of parameters', () => {
    expect(encodeRequest(7, { method: 'getblockhash', params: [1, 'a\nb', null] })).toBe(
      '{"jsonrpc":"2.0","id":7,"method":"getblockhash","params":[1,"a\\nb",null]}'
    )
    expect(JSON.parse(encodeRequest(1, { method: 'uptime' }))).toEqual({
      jsonrpc: '2.0',
      id: 1,
      method: 'uptime',
      params: []
    })
  })

  test('cannot have what JSON has not', () => {
    const circle: unknown[] = []
    circle.push(circle)
    for (const params of [[1n], circle])
      expect(() => encodeRequest(1, { method: 'any', params })).toThrow(InvalidOptionError)
  })

  test('may be one of several, with ids that count up', () => {
    expect(JSON.parse(encodeBatch(5, [{ method: 'a' }, { method: 'b', params: [2] }]))).toEqual([
      { jsonrpc: '2.0', id: 5, method: 'a', params: [] },
      { jsonrpc: '2.0', id: 6, method: 'b', params: [2] }
    ])
  })
})

describe('bytes', () => {
  const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

  test('are read as JSON in UTF-8', () => {
    expect(readMessage(NODE, new TextEncoder().encode('{"name":"Zoë ₿"}'))).toEqual({ name: 'Zoë ₿' })
  })

  test.for([bytes(), bytes(0x7b), bytes(0x22, 0xff, 0x22), bytes(0x31, 0x20, 0x32)])(
    'that are none are told: %o',
    each => {
      expect(() => readMessage(NODE, each)).toThrow(bad('no JSON'))
    }
  )

  test('that are nested without end are told like others', () => {
    const deep = new TextEncoder().encode('['.repeat(1_000_000))
    expect(() => readMessage(NODE, deep)).toThrow(bad('no JSON'))
  })
})

describe('a reply', () => {
  const read = (message: unknown): RpcReply => readReply(NODE, 'getblock', message)

  test.for<[string, unknown, unknown]>([
    ['Bitcoin Core from 28', { jsonrpc: '2.0', result: 105, id: 1 }, 105],
    ['bcoin, and older ones', { result: 105, error: null, id: 1 }, 105],
    ['what has nothing to tell', { result: null, error: null, id: 1 }, null],
    ['what says no', { result: false, id: 1 }, false]
  ])('with a result is that: %s', ([, message, result]) => {
    expect(read(message)).toEqual({ result })
  })

  test.for<[string, unknown, { code: number; data?: unknown }]>([
    ['2.0', { jsonrpc: '2.0', error: { code: -8, message: 'out of range' }, id: 1 }, { code: -8 }],
    ['1.0', { result: null, error: { code: -8, message: 'out of range' }, id: 1 }, { code: -8 }],
    ['more to it', { error: { code: 1, message: 'out of range', data: [5] } }, { code: 1, data: [5] }],
    ['words only', { error: 'out of range', id: 1 }, { code: 0 }]
  ])('with an error is that: %s', ([, message, expected]) => {
    const { error } = read(message) as { error: RpcError }
    expect(error).toBeInstanceOf(RpcError)
    expect(error).toMatchObject({ ...expected, endpoint: NODE, method: 'getblock' })
    expect(error.message).toContain('out of range')
  })

  test('has no endless words', () => {
    for (const error of ['x'.repeat(9_999), { code: 1, message: 'x'.repeat(9_999) }])
      expect((read({ error }) as { error: RpcError }).error.message.length).toBeLessThan(1_100)
  })

  test.for<[string, unknown]>([
    ['object', undefined],
    ['object', null],
    ['object', 105],
    ['object', [{ result: 1 }]],
    ['neither', {}],
    ['neither', { id: 1, error: null }],
    ['both', { result: 1, error: { code: 1, message: '' } }],
    ['its error', { error: 5 }],
    ['its error', { error: {} }],
    ['its error', { error: [] }],
    ['its error', { error: { code: '5', message: '' } }],
    ['its error', { error: { code: 1.5, message: '' } }],
    ['its error', { error: { code: 5 } }]
  ])('is told if it is none (%s): %j', ([detail, message]) => {
    expect(() => read(message)).toThrow(bad(detail))
  })
})

describe('the reply to the one request', () => {
  const read = (message: unknown): RpcReply => readReplyTo(NODE, 7, 'getblock', message)
  const error = { code: -32_700, message: 'Parse error' }

  test('has its id', () => {
    expect(read({ result: 1, id: 7 })).toEqual({ result: 1 })
    expect(read({ error, id: 7 })).toHaveProperty('error.code', -32_700)
  })

  test('may be an error for nobody, as when the request cannot be read', () => {
    expect(read({ error, id: null })).toHaveProperty('error.code', -32_700)
  })

  test.for([
    { result: 1, id: 8 },
    { result: 1, id: '7' },
    { result: 1, id: null },
    { result: 1 },
    { error, id: 8 },
    // Of something in front of the node.
    { error: { code: 502, message: 'Bad Gateway' } },
    { error: 'Not Found' }
  ])('is no other one: %j', message => {
    expect(() => read(message)).toThrow(bad('another request'))
  })
})

describe('the replies to a batch', () => {
  const requests = [{ method: 'a' }, { method: 'b' }, { method: 'c' }]
  const read = (message: unknown): RpcReply[] => readBatch(NODE, 5, requests, message)
  const result = (id: unknown) => ({ result: `of ${id}`, id })

  test('come in the order of the requests, whatever the order they are sent in', () => {
    const replies = [result(5), { error: { code: -8, message: 'no' }, id: 6 }, result(7)]
    fc.assert(
      fc.property(fc.shuffledSubarray(replies, { minLength: 3 }), sent => {
        const [first, second, third] = read(sent)
        expect([first, third]).toEqual([{ result: 'of 5' }, { result: 'of 7' }])
        expect(second).toMatchObject({ error: { name: 'RpcError', method: 'b', code: -8 } })
      })
    )
  })

  test('may be one refusal of all', () => {
    const replies = read({ result: null, error: { code: -32_600, message: 'Too many' }, id: null })
    expect(replies).toHaveLength(3)
    for (const [index, reply] of replies.entries())
      expect(reply).toMatchObject({ error: { code: -32_600, method: requests[index]!.method } })
  })

  test.for<[string, unknown]>([
    ['2 answers to 3', [result(5), result(6)]],
    ['4 answers to 3', [result(5), result(6), result(7), result(8)]],
    ['no answer to one', [result(5), result(6), result(6)]],
    ['no answer to one', [result(5), result(6), result('7')]],
    ['no answer to one', [result(5), result(6), { result: 1 }]],
    ['no answer to one', [result(5), result(6), null]],
    ['neither', [result(5), result(6), { id: 7 }]],
    ['one answer to several', result(5)],
    ['one answer to several', { error: { code: 1, message: '' }, id: 5 }],
    ['object', 'all well']
  ])('are told if they are none (%s): %j', ([detail, message]) => {
    expect(() => read(message)).toThrow(bad(detail))
  })
})
