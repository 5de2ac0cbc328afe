import { expect, test } from 'vitest'
import { SentLedger } from '../../../src/relay/nodes/sent-ledger.ts'

const never = (): boolean => false

test('ten thousand keys are remembered, the oldest is forgotten first', async () => {
  const ledger = new SentLedger()
  const sent: string[] = []
  const send = (key: string) => ledger.once(key, async () => sent.push(key), never)
  for (let key = 0; key < 10_001; key++) await send(`${key}`)
  expect(ledger.hashes()).toHaveLength(10_000)
  await send('1')
  expect(sent).toHaveLength(10_001)
  await send('0')
  expect(sent).toHaveLength(10_002)
})

test('keys are not told: only their hashes are', async () => {
  const ledger = new SentLedger()
  await ledger.once('a secret', async () => 1, never)
  expect(ledger.hashes().join()).not.toContain('secret')
  const next = new SentLedger()
  next.restore(ledger.hashes())
  await expect(next.once('a secret', async () => 1, never)).rejects.toMatchObject({
    name: 'DuplicateRequestError'
  })
})
