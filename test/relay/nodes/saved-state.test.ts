import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readState, removeState, type SavedState, saveState } from '../../../src/relay/nodes/saved-state.ts'
import { create, dead } from './support/channel.ts'

let directory: string
let path: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'saved-state-'))
  path = join(directory, 'deep', 'state.json')
})
afterEach(() => rm(directory, { recursive: true }))

const state: SavedState = {
  circuits: { savedAt: 1, records: [] },
  sent: ['hash'],
  broadcasts: [{ method: 'sendrawtransaction', params: ['00'] }]
}

test('what was saved is there until it is removed, for nobody else to read, and nothing beside it', async () => {
  expect(await readState(path)).toBeUndefined()
  await saveState(path, state)
  await saveState(path, state)
  expect(await readState(path)).toEqual({ ...state, circuits: { savedAt: 1, records: [] } })
  expect(await readdir(join(directory, 'deep'))).toEqual(['state.json'])
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  await removeState(path)
  await removeState(path)
  expect(await readState(path)).toBeUndefined()
})

const good = { version: 1, ...state }

test.each<[string, string]>([
  ['', 'it is no JSON'],
  ['{"version":1', 'it is no JSON'],
  ['null', 'it is no object of JSON'],
  ['7', 'it is no object of JSON'],
  [JSON.stringify({ ...good, version: 2 }), 'it is of version 2, not 1'],
  [JSON.stringify({ ...good, version: undefined }), 'it is of version undefined, not 1'],
  [JSON.stringify({ ...good, circuits: null }), 'something in it is missing'],
  [JSON.stringify({ ...good, circuits: { savedAt: '1', records: [] } }), 'something in it is missing'],
  [JSON.stringify({ ...good, circuits: { savedAt: 1, records: [null] } }), 'something in it is missing'],
  [JSON.stringify({ ...good, sent: [1] }), 'something in it is missing'],
  [JSON.stringify({ ...good, broadcasts: [{}] }), 'something in it is missing'],
  [JSON.stringify({ ...good, broadcasts: [{ method: 'a', params: {} }] }), 'something in it is missing']
])('what cannot be used is named, and left where it is: %s', async (text, detail) => {
  const file = join(directory, 'state.json')
  await writeFile(file, text)
  await expect(readState(file)).rejects.toMatchObject({ name: 'StateFileError', path: file })
  await expect(readState(file)).rejects.toThrow(detail)
  expect(await readFile(file, 'utf8')).toBe(text)
})

describe('a channel', () => {
  test('does not start with a state it cannot read, so that nothing in it is lost', async () => {
    const stateFile = join(directory, 'state.json')
    await writeFile(stateFile, 'junk')
    const { channel } = create({ shutdown: { stateFile } })
    await expect(channel.start()).rejects.toMatchObject({ name: 'StateFileError' })
    await expect(channel.close()).rejects.toMatchObject({ name: 'StateFileError' })
    expect(await readFile(stateFile, 'utf8')).toBe('junk')
  })

  test('keeps what it found and has not sent, if it was never started, or nobody answered', async () => {
    const stateFile = join(directory, 'state.json')
    await saveState(stateFile, state)
    const unstarted = create({ shutdown: { stateFile } })
    await unstarted.channel.close()
    expect(await readState(stateFile)).toMatchObject({ sent: state.sent, broadcasts: state.broadcasts })
    const alone = create({ shutdown: { stateFile } })
    for (const host of ['a', 'b', 'c']) alone.node(host).conduct = dead(`${host}:1`)
    await alone.ends(alone.channel.start())
    await alone.ends(alone.channel.drain())
    expect(await readState(stateFile)).toMatchObject({ sent: state.sent, broadcasts: state.broadcasts })
    const last = create({ shutdown: { stateFile } })
    await last.ends(last.channel.start())
    await last.ends(last.channel.drain())
    expect(await readState(stateFile)).toMatchObject({ sent: state.sent, broadcasts: [] })
  })

  test('whose state cannot be saved says so, and is closed all the same', async () => {
    const { channel, node } = create({ shutdown: { stateFile: join(directory, 'taken', 'state.json') } })
    await writeFile(join(directory, 'taken'), 'a file, no directory')
    await chmod(join(directory, 'taken'), 0o600)
    await expect(channel.drain()).rejects.toThrow('cannot be used')
    expect(node('a').isClosed).toBe(true)
  })

  test('whatever its state says of nodes it does not have, or beyond all bounds, does no harm', async () => {
    const stateFile = join(directory, 'state.json')
    const records = [
      { key: 'z:1', state: 'OPEN', trips: 1e9, retryAt: 1e300 },
      { key: 'a:1', state: 'nonsense' }
    ]
    await saveState(stateFile, {
      ...state,
      broadcasts: [],
      circuits: { savedAt: -1e300, records: records as never }
    })
    const { channel, ends, read } = create({ shutdown: { stateFile } })
    await ends(channel.start())
    expect(await ends(read())).toContain('getinfo')
  })
})
