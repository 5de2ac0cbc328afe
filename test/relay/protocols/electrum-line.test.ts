import { describe, expect, test } from 'vitest'
import { encodeLine, LineReader } from '../../../src/relay/protocols/electrum-line.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What a reader makes of chunks. */
function read(chunks: readonly Uint8Array[], maxBytes = 100): unknown[] {
  const reader = new LineReader('node.test:50002', maxBytes)
  return chunks.flatMap(chunk => [...reader.read(chunk)])
}

function inChunks(whole: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(whole.length / size) }, (_, at) =>
    whole.subarray(at * size, (at + 1) * size)
  )
}

test('a message is sent as a line', () => {
  expect(encodeLine('{"id":1}')).toEqual(bytes('{"id":1}\n'))
  expect(encodeLine('"ä"')).toEqual(bytes('"ä"\n'))
})

describe('messages', () => {
  const lines = '{"id":1,"result":"ä"}\n[2]\n"three"\r\nnull\n'
  const messages = [{ id: 1, result: 'ä' }, [2], 'three', null]

  test.for([1, 2, 3, 5, 8, 1_000])('are the same in chunks of %d bytes', size => {
    expect(read(inChunks(bytes(lines), size))).toEqual(messages)
  })

  test('are there as soon as they are complete, and no sooner', () => {
    const reader = new LineReader('node.test:50002', 100)
    expect([...reader.read(bytes('1'))]).toEqual([])
    expect([...reader.read(bytes('2\n3\n4'))]).toEqual([12, 3])
    expect([...reader.read(new Uint8Array(0))]).toEqual([])
    expect([...reader.read(bytes('\n'))]).toEqual([4])
  })

  test('leave the chunks as they are', () => {
    const first = bytes('[1,')
    const second = bytes('2]\n')
    expect(read([first, second])).toEqual([[1, 2]])
    expect([first, second]).toEqual([bytes('[1,'), bytes('2]\n')])
  })

  test('may be long, and come in many small chunks', () => {
    const text = 'x'.repeat(2 ** 20)
    const line = bytes(`"${text}"\n`)
    const startedAtMs = performance.now()
    expect(read(inChunks(line, 16), line.length)).toEqual([text])
    // If each chunk cost a copy of all before it, it would be 32 GiB.
    expect(performance.now() - startedAtMs).toBeLessThan(2_000)
  })
})

describe('what is no message', () => {
  test.for(['{"id":1\n', '\n', '{"id":1}}\n', 'HTTP/1.1 400 Bad Request\r\n'])(
    'is told, and whose it is: %j',
    line => {
      expect(() => read([bytes(line)])).toThrow('node.test:50002')
      expect(() => read([bytes(line)])).toThrow(expect.objectContaining({ name: 'BadReplyError' }))
    }
  )

  test('is not UTF-8', () => {
    expect(() => read([Uint8Array.of(0x22, 0xff, 0x22, 0x0a)])).toThrow('JSON')
  })

  test('comes after those before it were taken', () => {
    const reader = new LineReader('node.test:50002', 100)
    const taken: unknown[] = []
    expect(() => {
      for (const message of reader.read(bytes('1\n2\nnothing\n4\n'))) taken.push(message)
    }).toThrow('JSON')
    expect(taken).toEqual([1, 2])
  })
})

describe('a line', () => {
  test.for([1, 3, 1_000])('may be as long as allowed, without its newline, in chunks of %d bytes', size => {
    const longest = bytes(`"${'x'.repeat(98)}"\n`)
    expect(read([...inChunks(longest, size), ...inChunks(longest, size)])).toHaveLength(2)
  })

  test.for([1, 3, 1_000])('may not be longer, in chunks of %d bytes', size => {
    const tooLong = bytes(`"${'x'.repeat(99)}"\n`)
    expect(() => read(inChunks(tooLong, size))).toThrow('100 bytes')
  })

  test('may not be longer even before it ends', () => {
    expect(() => read([bytes('x'.repeat(60)), bytes('x'.repeat(41))])).toThrow(
      expect.objectContaining({ name: 'BadReplyError', endpoint: 'node.test:50002' })
    )
  })
})
