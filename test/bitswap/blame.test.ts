import {
  AbortError,
  ConnectionClosedError,
  LimitedConnectionError,
  MuxerClosedError,
  NotStartedError,
  StreamResetError,
  StreamStateError,
  TimeoutError,
  TooManyOutboundProtocolStreamsError,
  UnsupportedProtocolError
} from '@libp2p/interface'
import { describe, expect, test } from 'vitest'
import { isAnswer, isPeersFault, isRefusal, isTimeout } from '../../src/bitswap/blame.ts'
import { rejectionError } from '../../src/core/errors.ts'

/** An error as one from a package that the test does not import. */
function named(name: string, message = ''): Error {
  return Object.assign(new Error(message), { name })
}

function coded(code: string): Error {
  return Object.assign(new Error(`connect ${code} 127.0.0.1:4001`), { code })
}

const circuitOpen = rejectionError({ key: 'peer', reason: 'OPEN', state: 'OPEN', retryAfterMs: 1 })

const dialDenied = named('DialDeniedError', 'The dial request is blocked by gater.allowDialPeer')

/** What callers see, as in libp2p 3.3.11. */
const faults: ReadonlyArray<[what: string, error: unknown]> = [
  [
    'a frozen peer, with a signal',
    new DOMException('The operation was aborted due to timeout', 'TimeoutError')
  ],
  ['a frozen peer, by a limit of libp2p', new TimeoutError('Timed out')],
  ['a blackhole', named('EncryptionFailedError', 'The connection was closed')],
  ['a stream that was reset', new StreamResetError()],
  ['a closed port, as Node has it', coded('ECONNREFUSED')],
  ['a connection that was reset', coded('ECONNRESET')],
  ['a connection that was aborted', coded('ECONNABORTED')],
  ['a socket nobody reads from', coded('EPIPE')],
  ['a socket that took too long', coded('ETIMEDOUT')],
  ['a closed port, by the message alone', new Error('Error code ECONNREFUSED')],
  ['a reset, by the message alone', new Error('read ECONNRESET')]
]

const others: ReadonlyArray<[what: string, error: unknown]> = [
  ['what the peer does not offer', new UnsupportedProtocolError('Protocol selection failed')],
  ['no address to dial', named('NoValidAddressesError')],
  ["the caller's abort", new AbortError()],
  ["the caller's abort, by a signal", new DOMException('This operation was aborted', 'AbortError')],
  ['a reason of the caller', new Error('no longer needed')],
  ['a limit of streams here', new TooManyOutboundProtocolStreamsError('64/64')],
  ['a full queue here', named('QueueFullError')],
  ['a relay that allows too little', new LimitedConnectionError()],
  ['a gater', dialDenied],
  ['a node that is not started', new NotStartedError()],
  ['a stream that was closed here', new StreamStateError('Cannot write to a stream that is closed')],
  ['a connection that either side may have closed', new ConnectionClosedError()],
  ['a muxer that either side may have closed', new MuxerClosedError()],
  ['a circuit that is open', circuitOpen],
  ['a network that is down here', coded('ENETUNREACH')],
  ['a network without a way there', coded('EHOSTUNREACH')],
  ['too many files open here', coded('EMFILE')]
]

describe('a fault of the peer', () => {
  test.each(faults)('is %s', (_what, error) => {
    expect(isPeersFault(error)).toBe(true)
  })

  test.each(others)('is not %s', (_what, error) => {
    expect(isPeersFault(error)).toBe(false)
  })

  test('is told by name, whatever class the error is of', () => {
    expect(isPeersFault({ name: 'StreamResetError' })).toBe(true)
    expect(isPeersFault({ name: 'Error', code: 'ECONNRESET' })).toBe(true)
  })

  test('is not seen in a word that merely contains a code', () => {
    expect(isPeersFault(new Error('XECONNRESET'))).toBe(false)
    expect(isPeersFault(new Error('ECONNRESETTING'))).toBe(false)
    expect(isPeersFault(new Error('econnreset'))).toBe(false)
    expect(isPeersFault(new Error('TimeoutError is what this is not'))).toBe(false)
  })

  test('is one of several addresses that failed', () => {
    const error = new AggregateError([dialDenied, coded('ECONNREFUSED')], 'All dials failed')
    expect(isPeersFault(error)).toBe(true)
  })

  test('is none when no address failed through it', () => {
    const error = new AggregateError([dialDenied, coded('ENETUNREACH')], 'All dials failed')
    expect(isPeersFault(error)).toBe(false)
    expect(isPeersFault(new AggregateError([]))).toBe(false)
  })

  test.each([
    undefined,
    null,
    '',
    'TimeoutError',
    0,
    {},
    [],
    { errors: null },
    { name: null, code: 7, message: 7 }
  ])('is not %o, which is no error', thrown => {
    expect(isPeersFault(thrown)).toBe(false)
    expect(isAnswer(thrown)).toBe(false)
    expect(isRefusal(thrown)).toBe(false)
    expect(isTimeout(thrown)).toBe(false)
  })
})

describe('an answer', () => {
  test('is what only somebody who is there says', () => {
    expect(isAnswer(new UnsupportedProtocolError())).toBe(true)
    expect(isAnswer(new StreamResetError())).toBe(true)
    expect(isAnswer(new AggregateError([new TimeoutError(), new UnsupportedProtocolError()]))).toBe(true)
  })

  test.each([
    ['a timeout', new TimeoutError()],
    ['a refusal', coded('ECONNREFUSED')],
    ['a broken connection', coded('ECONNRESET')],
    ['an abort', new AbortError()],
    ['a rejection of ours', circuitOpen]
  ])('is not %s', (_what, error) => {
    expect(isAnswer(error)).toBe(false)
  })
})

describe('a refusal', () => {
  test('is a port nobody listens on', () => {
    expect(isRefusal(coded('ECONNREFUSED'))).toBe(true)
    expect(isRefusal(new Error('Error code ECONNREFUSED'))).toBe(true)
    expect(isRefusal(new AggregateError([new TimeoutError(), coded('ECONNREFUSED')]))).toBe(true)
  })

  test('is nothing else', () => {
    expect(isRefusal(coded('ECONNRESET'))).toBe(false)
    expect(isRefusal(new TimeoutError())).toBe(false)
    expect(isRefusal(dialDenied)).toBe(false)
  })
})

test('a timeout is one of any realm', () => {
  expect(isTimeout(new TimeoutError())).toBe(true)
  expect(isTimeout(new DOMException('', 'TimeoutError'))).toBe(true)
  expect(isTimeout(AbortSignal.abort(new TimeoutError()).reason)).toBe(true)
  expect(isTimeout(new AbortError())).toBe(false)
  expect(isTimeout(coded('ECONNREFUSED'))).toBe(false)
})
