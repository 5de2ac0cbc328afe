import { describe, expect, test } from 'vitest'
import { dialProblem } from '../../src/cli/dial-problem.ts'
import { type PeerReport, peerReportText } from '../../src/cli/peer-report.ts'

describe('what is known of a peer', () => {
  const unknown: PeerReport = {
    peerId: 'peer',
    addresses: [],
    isConnected: true,
    problem: null,
    blocks: 0,
    protection: null
  }
  const knowledge = {
    circuitState: 'CLOSED',
    healthStatus: 'HEALTHY',
    isSuspect: false,
    successRate: 1,
    responseTimeMs: 0,
    recoveryRate: 1,
    requests: 0,
    failures: 0,
    lastTrouble: ''
  } as const
  const answering = { ...knowledge, requests: 9, responseTimeMs: 17 }

  test.each<[Partial<PeerReport>, string]>([
    [{}, 'connected, 0 blocks'],
    [{ isConnected: false }, 'not connected, 0 blocks'],
    [{ isConnected: false, problem: 'connection refused' }, 'connection refused, 0 blocks'],
    [{ protection: knowledge }, 'connected, 0 blocks, CLOSED, HEALTHY'],
    [{ blocks: 9, protection: answering }, 'connected, 9 blocks, CLOSED, HEALTHY, answers in 17 ms'],
    [
      { protection: answering },
      'connected, 0 blocks, CLOSED, HEALTHY, answers in 17 ms, perhaps it does not have the file'
    ],
    [
      { protection: { ...knowledge, requests: 3, failures: 2 } },
      'connected, 0 blocks, CLOSED, HEALTHY, 2 of 3 requests failed'
    ],
    [
      { protection: { ...knowledge, circuitState: 'OPEN', failures: 5, lastTrouble: 'did not respond' } },
      'connected, 0 blocks, OPEN, HEALTHY, did not respond'
    ]
  ])('%j', (report, text) => {
    expect(peerReportText({ ...unknown, ...report })).toBe(`peer: ${text}`)
  })
})

describe('why a peer cannot be reached', () => {
  function error(name: string, message: string, code?: string): Error {
    return Object.assign(new Error(message), { name, code })
  }

  test.each([
    [error('Error', 'connect ECONNREFUSED 127.0.0.1:9', 'ECONNREFUSED'), 'connection refused'],
    [error('Error', 'connect ECONNREFUSED 127.0.0.1:9'), 'connection refused'],
    [error('Error', 'getaddrinfo ENOTFOUND nowhere.invalid', 'ENOTFOUND'), 'host name not found'],
    [error('TimeoutError', 'The operation was aborted due to timeout'), 'no answer'],
    [error('EncryptionFailedError', 'The operation was aborted due to timeout'), 'connected, but no answer'],
    [error('EncryptionFailedError', 'unexpected end of input'), 'no secure connection'],
    [
      error('EncryptionFailedError', 'Payload identity key a does not match expected remote identity key b'),
      'another peer answers there'
    ],
    [error('Error', 'something\nelse'), 'something else'],
    ['a string', 'a string']
  ])('%s', (thrown, problem) => {
    expect(dialProblem(thrown)).toBe(problem)
  })

  test('of several addresses each reason is named once', () => {
    const refused = error('Error', 'connect ECONNREFUSED', 'ECONNREFUSED')
    const silent = error('TimeoutError', 'timeout')
    expect(dialProblem(new AggregateError([refused, silent, refused]))).toBe('connection refused; no answer')
  })
})
