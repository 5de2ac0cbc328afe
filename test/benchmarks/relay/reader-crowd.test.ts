import { expect, test } from 'vitest'
import { ReaderCrowd } from '../../../benchmarks/relay/reader-crowd.ts'

test('readers read on, note who answers and what fails, and stop', async () => {
  const answers = ['primary', 'fails', 'backup'] as const
  let reads = 0
  const crowd = new ReaderCrowd(2, async () => {
    const answer = answers[reads++ % answers.length]!
    if (answer === 'fails') throw new Error('nobody answers')
    return answer
  })
  await expect.poll(() => reads).toBeGreaterThan(5)
  await crowd.stop()
  const readAtStop = reads
  const all = crowd.readings.flat()
  expect(all).toHaveLength(reads)
  expect(new Set(all.map(({ answeredBy }) => answeredBy))).toEqual(new Set(['primary', 'backup', undefined]))
  for (const readings of crowd.readings) {
    expect(readings.length).toBeGreaterThan(1)
    for (const { startMs, endMs } of readings) expect(endMs).toBeGreaterThanOrEqual(startMs)
  }
  expect(reads).toBe(readAtStop)
})

test('what was asked before does not show that the primary is back', async () => {
  const answering = Promise.withResolvers<'primary'>()
  let reads = 0
  const crowd = new ReaderCrowd(1, async () => (reads++ === 0 ? answering.promise : 'primary'))
  await expect.poll(() => reads).toBe(1)
  const backMs = performance.now()
  expect(crowd.answeredByPrimary(backMs)).toBeUndefined()
  answering.resolve('primary')
  await expect.poll(() => crowd.readings[0]!.length).toBeGreaterThan(0)
  expect(crowd.answeredByPrimary(0)).toBeDefined()
  await expect.poll(() => crowd.answeredByPrimary(backMs)).toBeGreaterThan(0)
  const [first, second] = crowd.readings[0]!
  expect(first!.startMs).toBeLessThan(backMs)
  expect(crowd.answeredByPrimary(backMs)).toBe(second!.endMs - backMs)
  await crowd.stop()
})
