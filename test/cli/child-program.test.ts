import { expect, onTestFinished, test, vi } from 'vitest'
import { ChildProgram, type ChildProgramInit } from '../../src/cli/swarm/child-program.ts'
import type { SampleCommands } from './support/sample-program.ts'

vi.setConfig({ testTimeout: 20_000 })

/** Longer than any test takes. */
const FOR_EVER_MS = 60_000

function start(init: Partial<ChildProgramInit> = {}): ChildProgram<SampleCommands> {
  const program = new URL('./support/sample-program.ts', import.meta.url)
  const child = new ChildProgram<SampleCommands>({ name: 'Sample', program, ...init })
  onTestFinished(() => child.kill())
  return child
}

function isRunning({ pid }: { pid: number | undefined }): boolean {
  try {
    return process.kill(pid!, 0)
  } catch {
    return false
  }
}

test('a program answers with more than JSON', async () => {
  expect(await start().call('count', ['a', 'b', 'a'])).toEqual(new Map(Object.entries({ a: 2, b: 1 })))
})

test('each command gets its own answer, in whatever order they come', async () => {
  const child = start()
  const answered: number[] = []
  const wait = async (ms: number) => {
    const answer = await child.call('wait', ms)
    answered.push(ms)
    return answer
  }
  expect(await Promise.all([300, 10, 150].map(wait))).toEqual([300, 10, 150])
  expect(answered).toEqual([10, 150, 300])
})

test('an error is carried over with its name, its message, and where it was thrown', async () => {
  const child = start()
  const error: Error = await child.call('fail', 'much too far').catch(thrown => thrown)
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name: 'SampleError', message: 'Sample: much too far' })
  expect(error.stack).toMatch(/^SampleError: Sample: much too far\n.*sample-program\.ts:\d+/s)
  await expect(child.call('failOddly', 'no error')).rejects.toThrow('Sample: no error')
  expect(await child.call('wait', 0)).toBe(0)
})

test('what cannot be sent is an error on either side, and the program goes on', async () => {
  const child = start()
  await expect(child.call('unsendable')).rejects.toThrow('could not be cloned')
  await expect(child.call('count', [(() => {}) as never])).rejects.toThrow('could not be cloned')
  expect(await child.call('wait', 0)).toBe(0)
})

test('it gets the flags that are meant for it, and none of the parent', async () => {
  expect(await start().call('flags')).toEqual([])
  expect(await start({ execArgv: ['--expose-gc'] }).call('flags')).toEqual(['--expose-gc'])
})

test('whoever waits when it is killed is told at once, and so is whoever comes later', async () => {
  const child = start()
  await child.call('wait', 0)
  const waits = [1, 2].map(() => child.call('wait', FOR_EVER_MS))
  const told = expect(Promise.allSettled(waits)).resolves.toMatchObject(
    waits.map(() => ({ reason: { message: 'Sample: ended by itself or was killed (SIGKILL)' } }))
  )
  child.freeze()
  await child.kill()
  expect(isRunning(child)).toBe(false)
  await told
  await expect(child.call('wait', 0)).rejects.toThrow('Sample: cannot wait: its process has ended')
  expect(() => child.freeze()).toThrow('Sample: cannot be sent SIGSTOP: its process has ended')
  await child.kill()
})

test('whoever waits when it ends by itself is told how, and its last words if they are kept', async () => {
  const child = start({ stderr: 'keep' })
  const waits = child.call('wait', FOR_EVER_MS)
  const exits = child.call('exit', 7, 'Out of luck\n')
  const how = 'Sample: ended by itself or was killed (exit code 7)\nIts error output:\nOut of luck'
  await expect(waits).rejects.toThrow(how)
  await expect(exits).rejects.toThrow(how)
})

test('a command that takes too long is given up; a program that was frozen goes on', async () => {
  const child = start({ answerLimitMs: 1_000 })
  // Its start may take longer.
  await vi.waitFor(() => child.call('wait', 0), 10_000)
  child.freeze()
  await expect(child.call('wait', 0)).rejects.toThrow('Sample: did not wait within 1 s')
  child.thaw()
  expect(await child.call('wait', 1)).toBe(1)
})

test.for([
  ['idle', () => {}],
  ['busy', child => child.call('wait', FOR_EVER_MS)],
  ['frozen', child => child.freeze()]
] as const satisfies ReadonlyArray<[string, (child: ChildProgram<SampleCommands>) => unknown]>)(
  'a program that is %s ends by itself when it is let go',
  async ([, prepare]) => {
    const listeners = process.listenerCount('exit')
    const child = start({ endLimitMs: FOR_EVER_MS })
    await child.call('wait', 0)
    const prepared = Promise.allSettled([prepare(child)])
    const ended = child[Symbol.asyncDispose]()
    await expect(child.call('wait', 0)).rejects.toThrow('Sample: cannot wait: its process has ended')
    await ended
    expect(isRunning(child)).toBe(false)
    await prepared
    expect(process.listenerCount('exit')).toBe(listeners)
    await child[Symbol.asyncDispose]()
  }
)

test('one that does not end by itself is killed', async () => {
  const child = start({ endLimitMs: 100 })
  await child.call('wait', 0)
  const hangs = expect(child.call('hang')).rejects.toThrow('SIGKILL')
  await child[Symbol.asyncDispose]()
  expect(isRunning(child)).toBe(false)
  await hangs
})

test('where there is no process to be had, that is what commands end with, and nothing is left', async () => {
  const listeners = process.listenerCount('exit')
  const child = start({ execPath: '/no/such/program' })
  await expect(child.call('wait', 0)).rejects.toThrow('ENOENT')
  await expect(child.call('wait', 0)).rejects.toThrow('its process has ended')
  expect(child.pid).toBeUndefined()
  await child[Symbol.asyncDispose]()
  expect(process.listenerCount('exit')).toBe(listeners)
})
