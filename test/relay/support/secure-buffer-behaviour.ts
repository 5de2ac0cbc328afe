import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { InvalidOptionError } from '../../../src/core/index.ts'
import {
  SecretAccessError,
  SecretDisposedError,
  SecretFileError,
  SecretLimitError
} from '../../../src/relay/secrets/secret-error.ts'
import { memoryProtectionStatus, SecureBuffer } from '../../../src/relay/secrets/secure-buffer.ts'

/** Secrets of the test that runs. */
const secrets = new Set<SecureBuffer>()

function kept(secret: SecureBuffer): SecureBuffer {
  secrets.add(secret)
  return secret
}

async function create(...bytes: number[]): Promise<SecureBuffer> {
  return kept(await SecureBuffer.from(Uint8Array.from(bytes)))
}

/** What is in it. */
function content(secret: SecureBuffer): number[] {
  return secret.withAccess(bytes => [...bytes])
}

async function fileWith(data: string | Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'secret-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'secret')
  await writeFile(path, data)
  return path
}

/** All that holds in whatever memory secrets are. */
export function testSecureBuffer(): void {
  afterEach(async () => {
    for (const secret of secrets) secret.dispose()
    secrets.clear()
    expect(await memoryProtectionStatus()).toMatchObject({ secureBuffers: 0, lockedBytes: 0 })
  })

  describe('making one', () => {
    test('moves the bytes: the source is zeros', async () => {
      const source = Uint8Array.of(1, 2, 3)
      const secret = kept(await SecureBuffer.from(source))
      expect([...source]).toEqual([0, 0, 0])
      expect(secret.byteLength).toBe(3)
      expect(content(secret)).toEqual([1, 2, 3])
    })

    test('zeroes no more of the source than it was given', async () => {
      const memory = Uint8Array.of(1, 2, 3, 4)
      const secret = kept(await SecureBuffer.from(memory.subarray(1, 3)))
      expect([...memory]).toEqual([1, 0, 0, 4])
      expect(content(secret)).toEqual([2, 3])
    })

    test('by length gives zeros', async () => {
      expect(content(kept(await SecureBuffer.allocate(5)))).toEqual([0, 0, 0, 0, 0])
    })

    test.each([1, 15, 16, 17, 4_080, 4_081, 4_096, 4_097, 65_536])('is exact at %d bytes', async length => {
      const expected = Uint8Array.from({ length }, (_, index) => (index * 31 + 7) % 256)
      const secret = kept(await SecureBuffer.from(expected.slice()))
      expect(secret.withAccess(bytes => Buffer.compare(bytes, expected))).toBe(0)
    })

    test.each([0, 65_537, -1, 1.5, Number.NaN, '32' as never])('%s bytes cannot be had', async length => {
      await expect(SecureBuffer.allocate(length)).rejects.toThrow(
        expect.objectContaining({ name: InvalidOptionError.name, option: 'secret.byteLength', value: length })
      )
    })

    test('of what it cannot hold leaves that as it is, and out of the error', async () => {
      const tooLong = new Uint8Array(65_537).fill(1)
      await expect(SecureBuffer.from(tooLong)).rejects.toThrow(expect.objectContaining({ value: 65_537 }))
      expect(tooLong.every(byte => byte === 1)).toBe(true)
      const error = await SecureBuffer.from('hunter2' as never).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(InvalidOptionError)
      expect(inspect(error)).not.toContain('hunter2')
    })

    test('is possible 1,024 times, and again when one was disposed of', async () => {
      const all = await Promise.all(Array.from({ length: 1_024 }, () => SecureBuffer.allocate(1)))
      for (const secret of all) kept(secret)
      const source = Uint8Array.of(7)
      await expect(SecureBuffer.from(source)).rejects.toThrow(
        expect.objectContaining({ name: SecretLimitError.name, limit: 1_024 })
      )
      expect([...source]).toEqual([7])
      all[500]!.dispose()
      expect(content(kept(await SecureBuffer.from(source)))).toEqual([7])
    })
  })

  describe('a file', () => {
    test.each([
      ['secret', 'secret'],
      ['secret\n', 'secret'],
      ['secret\r\n', 'secret'],
      ['secret\n\n', 'secret\n'],
      ['secret\r', 'secret\r'],
      ['two\nlines\n', 'two\nlines'],
      [' x', ' x']
    ])('%j holds %j', async (text, expected) => {
      const secret = kept(await SecureBuffer.fromFile(await fileWith(text)))
      expect(secret.withAccess(bytes => Buffer.from(bytes).toString())).toBe(expected)
    })

    test('may have 64 KiB', async () => {
      const data = Uint8Array.from({ length: 65_536 }, (_, index) => index % 251)
      const secret = kept(await SecureBuffer.fromFile(await fileWith(data)))
      expect(secret.equals(data)).toBe(true)
    })

    test.each([
      ['longer than 65536 bytes', 'x'.repeat(65_537)],
      ['empty', ''],
      ['empty', '\n'],
      ['empty', '\r\n']
    ])('that is %s is no secret', async (detail, text) => {
      const path = await fileWith(text)
      const error = await SecureBuffer.fromFile(path).catch((error: unknown) => error)
      expect(error).toMatchObject({ name: SecretFileError.name, path })
      expect((error as Error).message).toContain(detail)
    })

    test('that is missing, or a folder, is told by its path', async () => {
      await expect(SecureBuffer.fromFile('/does/not/exist')).rejects.toThrow(
        'Cannot read a secret from /does/not/exist: ENOENT'
      )
      await expect(SecureBuffer.fromFile(tmpdir())).rejects.toThrow('it is no file')
    })
  })

  describe('access', () => {
    test('gives what is done with it', async () => {
      const secret = await create(1, 2, 3)
      expect(secret.withAccess(bytes => bytes.reduce((sum, byte) => sum + byte))).toBe(6)
    })

    test('leaves zeros to whoever kept the bytes', async () => {
      const secret = await create(1, 2, 3)
      let stray: Uint8Array = new Uint8Array(0)
      secret.withAccess(bytes => {
        stray = bytes
      })
      expect([...stray]).toEqual([0, 0, 0])
      stray.fill(9)
      expect(content(secret)).toEqual([1, 2, 3])
    })

    test('does not keep what is written', async () => {
      const secret = await create(1, 2)
      secret.withAccess(bytes => bytes.fill(9) && undefined)
      expect(content(secret)).toEqual([1, 2])
    })

    test('within access leaves the bytes until the outermost has ended', async () => {
      const secret = await create(1, 2)
      let outer: Uint8Array = new Uint8Array(0)
      secret.withAccess(bytes => {
        outer = bytes
        expect(content(secret)).toEqual([1, 2])
        expect([...outer]).toEqual([1, 2])
      })
      expect([...outer]).toEqual([0, 0])
    })

    test('to several at once keeps them apart', async () => {
      const [one, other] = [await create(1), await create(2)]
      expect(one.withAccess(a => other.withAccess(b => [...a, ...b]))).toEqual([1, 2])
    })

    test('ends also when something is thrown', async () => {
      const secret = await create(1, 2)
      let stray: Uint8Array = new Uint8Array(0)
      expect(() =>
        secret.withAccess(bytes => {
          stray = bytes
          throw new Error('what it throws')
        })
      ).toThrow('what it throws')
      expect([...stray]).toEqual([0, 0])
      expect(content(secret)).toEqual([1, 2])
    })

    test('must not be asynchronous', async () => {
      const secret = await create(1, 2)
      let seen: number[] | undefined
      const access = (): unknown =>
        secret.withAccess(async bytes => {
          await null
          seen = [...bytes]
          throw new Error('nobody handles this')
        })
      expect(access).toThrow(SecretAccessError)
      expect(access).toThrow('asynchronous')
      await new Promise(resolve => setImmediate(resolve))
      expect(seen).toEqual([0, 0])
      expect(content(secret)).toEqual([1, 2])
      // biome-ignore lint/suspicious/noThenProperty: it is to be taken for a promise
      const thenable = { then: (resolve: (value: number) => void) => resolve(1) }
      expect(() => secret.withAccess(() => thenable)).toThrow(SecretAccessError)
    })

    test.each<[string, (bytes: Uint8Array) => unknown]>([
      ['the bytes', bytes => bytes],
      ['their memory', bytes => bytes.buffer]
    ])('must not return %s', async (_, use) => {
      const secret = await create(1, 2)
      expect(() => secret.withAccess(use)).toThrow(SecretAccessError)
      expect(content(secret)).toEqual([1, 2])
    })

    test('does not ask what is returned for its memory, which has V8 make another copy', async () => {
      class Copy extends Uint8Array<ArrayBuffer> {
        override get buffer(): ArrayBuffer {
          throw new Error('it was asked')
        }
      }
      const secret = await create(1, 2)
      expect([...secret.withAccess(bytes => Copy.from(bytes))]).toEqual([1, 2])
    })

    test('may return a copy', async () => {
      const secret = await create(1, 2)
      expect(secret.withAccess(bytes => bytes.slice())).toEqual(Uint8Array.of(1, 2))
    })
  })

  describe('writing', () => {
    test('changes the secret, and leaves zeros to whoever kept the bytes', async () => {
      const secret = kept(await SecureBuffer.allocate(3))
      let stray: Uint8Array = new Uint8Array(0)
      expect(
        secret.withWriteAccess(bytes => {
          stray = bytes
          bytes.set([4, 5, 6])
          return 'done'
        })
      ).toBe('done')
      expect([...stray]).toEqual([0, 0, 0])
      expect(content(secret)).toEqual([4, 5, 6])
    })

    test.each<[string, (bytes: Uint8Array) => unknown]>([
      [
        'throws',
        () => {
          throw new SecretAccessError('by itself')
        }
      ],
      ['is asynchronous', async () => {}],
      ['returns the bytes', bytes => bytes]
    ])('changes nothing if what writes %s', async (_, end) => {
      const secret = await create(1, 2)
      const write = (): unknown =>
        secret.withWriteAccess(bytes => {
          bytes.fill(9)
          return end(bytes)
        })
      expect(write).toThrow(SecretAccessError)
      expect(content(secret)).toEqual([1, 2])
    })

    test('waits for no access: it is refused', async () => {
      const secret = await create(1, 2)
      secret.withAccess(bytes => {
        expect(() => secret.withWriteAccess(written => written.fill(9).length)).toThrow(SecretAccessError)
        expect([...bytes]).toEqual([1, 2])
      })
      expect(secret.withWriteAccess(bytes => bytes.fill(9).length)).toBe(2)
      expect(content(secret)).toEqual([9, 9])
    })
  })

  describe('equality', () => {
    test('is of the content', async () => {
      const secret = await create(1, 2, 3)
      expect(secret.equals(Uint8Array.of(1, 2, 3))).toBe(true)
      expect(secret.equals(Buffer.from([1, 2, 3]))).toBe(true)
      expect(secret.equals(Uint8Array.of(1, 2, 4))).toBe(false)
      expect(secret.equals(Uint8Array.of(1, 2))).toBe(false)
      expect(secret.equals(new Uint8Array(0))).toBe(false)
    })

    test('is of secrets, too', async () => {
      const secret = await create(1, 2, 3)
      expect(secret.equals(await create(1, 2, 3))).toBe(true)
      expect(secret.equals(await create(3, 2, 1))).toBe(false)
      expect(secret.equals(secret)).toBe(true)
    })
  })

  describe('disposing', () => {
    test('leaves nothing that could be used', async () => {
      const secret = await create(1, 2)
      const other = await create(1, 2)
      secret.dispose()
      secret.dispose()
      expect(() => content(secret)).toThrow(SecretDisposedError)
      expect(() => secret.withWriteAccess(() => undefined)).toThrow(SecretDisposedError)
      expect(() => secret.equals(Uint8Array.of(1, 2))).toThrow(SecretDisposedError)
      expect(() => other.equals(secret)).toThrow(SecretDisposedError)
      expect(content(other)).toEqual([1, 2])
      expect((await memoryProtectionStatus()).secureBuffers).toBe(1)
    })

    test('is done by using', async () => {
      let escaped: SecureBuffer
      {
        using secret = await SecureBuffer.from(Uint8Array.of(1))
        escaped = secret
        expect(content(secret)).toEqual([1])
      }
      expect(() => content(escaped)).toThrow(SecretDisposedError)
    })

    test('within access waits for its end', async () => {
      const secret = await create(1, 2)
      secret.withAccess(bytes => {
        secret.withAccess(() => secret.dispose())
        expect([...bytes]).toEqual([1, 2])
        expect(() => content(secret)).toThrow(SecretDisposedError)
        expect([...bytes]).toEqual([1, 2])
      })
      expect((await memoryProtectionStatus()).secureBuffers).toBe(0)
    })
  })

  test('it is never shown', async () => {
    const secret = kept(await SecureBuffer.from(Buffer.from('hunter2')))
    const shown = '[SecureBuffer 7 bytes]'
    expect(`${secret}`).toBe(shown)
    expect(JSON.stringify({ secret })).toBe(`{"secret":"${shown}"}`)
    expect(inspect(secret)).toBe(shown)
    expect(inspect({ deep: [secret] }, { showHidden: true })).toContain(`deep: [ ${shown}`)
    secret.withAccess(() =>
      expect(inspect(secret, { showHidden: true, customInspect: false })).not.toContain('68 75')
    )
    expect(structuredClone(secret)).toEqual({})
  })
}
