import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import type { BadRecords, Clock } from '../../core/index.ts'
import type { RpcRequest } from '../protocols/rpc.ts'

/** What is kept of a secure channel between two processes. Nothing in it is secret. */
export interface SavedState {
  /** What was held against nodes. */
  readonly circuits: BadRecords
  /** Hashes of what was sent and must not be sent twice. */
  readonly sent: readonly string[]
  /** What was accepted and not handed to any node yet. */
  readonly broadcasts: readonly RpcRequest[]
}

/** Where no earlier process was. */
export function nothingSaved(clock: Clock): SavedState {
  return { circuits: { savedAt: clock.wallTime(), records: [] }, sent: [], broadcasts: [] }
}

/** Thrown when a state file is there, and cannot be read as one. */
export class StateFileError extends Error {
  static override readonly name = 'StateFileError'
  readonly path: string

  constructor(path: string, detail: string, cause?: unknown) {
    super(`State file ${path} cannot be used: ${detail}`, { cause })
    this.name = 'StateFileError'
    this.path = path
  }
}

const VERSION = 1

/** Puts a state where the next process finds it: whole, or not at all, also if the machine stops in the middle. */
export async function saveState(path: string, state: SavedState): Promise<void> {
  const directory = directoryOf(path)
  await mkdir(directory, { recursive: true })
  const temporary = `${path}.new`
  await writeThrough(temporary, JSON.stringify({ version: VERSION, ...state }))
  await rename(temporary, path)
  await syncDirectory(directory)
}

/** The state an earlier process has left; `undefined` if there is none. @throws StateFileError */
export async function readState(path: string): Promise<SavedState | undefined> {
  const text = await readIfThere(path)
  return text === undefined ? undefined : parseState(path, text)
}

/** What it asks for is done. */
export async function removeState(path: string): Promise<void> {
  await rm(path, { force: true })
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new StateFileError(path, 'it cannot be read', error)
  }
}

function parseState(path: string, text: string): SavedState {
  const { version, circuits, sent, broadcasts } = parseJson(path, text)
  if (version !== VERSION) throw new StateFileError(path, `it is of version ${version}, not ${VERSION}`)
  const isWhole = isCircuits(circuits) && isListOf(sent, isText) && isListOf(broadcasts, isRequest)
  if (!isWhole) throw new StateFileError(path, 'something in it is missing, or not what it should be')
  return { circuits, sent, broadcasts }
}

function parseJson(path: string, text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>
  } catch (error) {
    throw new StateFileError(path, 'it is no JSON', error)
  }
  throw new StateFileError(path, 'it is no object of JSON')
}

/** Values out of range are no harm: the core takes none for more than it may mean. */
function isCircuits(value: unknown): value is BadRecords {
  const { savedAt, records } = (value ?? {}) as Partial<BadRecords>
  return (
    typeof savedAt === 'number' &&
    isListOf(records, record => isText((record as { key?: unknown } | null)?.key))
  )
}

function isRequest(value: unknown): value is RpcRequest {
  const { method, params } = (value ?? {}) as Partial<RpcRequest>
  return isText(method) && (params === undefined || Array.isArray(params))
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isListOf<Item>(value: unknown, isItem: (item: unknown) => item is Item): value is Item[]
function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean
function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem)
}

async function writeThrough(path: string, text: string): Promise<void> {
  // For this user's eyes only.
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** So that the new name lasts too (fsync(2)). */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function directoryOf(path: string): string {
  const end = path.lastIndexOf('/')
  return end < 0 ? '.' : path.slice(0, end) || '/'
}
