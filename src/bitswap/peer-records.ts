import type { Logger } from '@libp2p/interface'
import { type Datastore, Key } from 'interface-datastore'
import type { Clock, Protection, ProtectionEvent } from '../core/index.ts'
import { decodeRecords, encodeRecords } from './record-format.ts'

/** What is needed of a datastore to keep records in it. */
export type RecordDatastore = Pick<Datastore, 'get' | 'put' | 'delete'>

/** Where the records are stored. */
export const RECORDS_KEY = new Key('/bitswap-protection/v1/records')

/** Where what was found there goes if it cannot be read: the latest such thing, for whoever wants to look at it. */
export const SET_ASIDE_KEY = new Key('/bitswap-protection/v1/set-aside')

/** Time a change waits for others to be stored with it, in ms. */
const SAVE_DELAY_MS = 10_000

/** Longest the start of the node waits for what is stored, in ms; what comes later is taken up then. */
const START_WAIT_MS = 250

/** Longest the stop of the node waits for all to be stored, in ms. */
const STOP_WAIT_MS = 1_000

/**
 * Keeps what is held against peers in the node's datastore, so that nobody gets away with it because the node restarts.
 *
 * Changes are stored together, some time after the first of them, and when the node stops. The datastore is asked for
 * one thing at a time: one that hangs holds nobody up and is asked for nothing more. What is stored is written over only
 * after it was read, or set aside.
 */
export class PeerRecords {
  readonly #protection: Protection
  readonly #datastore: RecordDatastore
  readonly #maxAgeMs: number
  readonly #clock: Clock
  readonly #log: Logger
  #isStarted = false
  /** Whether what was stored is known to the protection. */
  #isLoaded = false
  #hasChanges = false
  /** Whether what is stored is more than an empty list. */
  #hasStored = false
  #cancelTimer: (() => void) | undefined
  /** What the datastore is busy with, if it is. */
  #loading: Promise<void> | undefined
  #saving: Promise<void> | undefined
  /** Each ends a wait for the datastore. */
  readonly #waits = new Set<() => void>()

  /** @param maxAgeMs - how long ago the last bad event of a peer may be for its record to be stored, in ms */
  constructor(
    protection: Protection,
    datastore: RecordDatastore,
    maxAgeMs: number,
    clock: Clock,
    log: Logger
  ) {
    this.#protection = protection
    this.#datastore = datastore
    this.#maxAgeMs = maxAgeMs
    this.#clock = clock
    this.#log = log
    protection.onEvent(event => this.#onEvent(event))
  }

  /** Begins to read what is stored, the first time, and stores what changes. */
  start(): void {
    this.#isStarted = true
    if (this.#hasChanges) this.#saveLater()
    if (!this.#isLoaded) void this.#load()
  }

  /** After {@link start}: resolves when what was stored is known to the protection, or does not come in time. */
  async ready(): Promise<void> {
    if (this.#loading !== undefined) await this.#within(START_WAIT_MS, this.#loading)
  }

  /** Stores all as it is now. Resolves when that is done, or takes too long. To be called before {@link stop}. */
  async flush(): Promise<void> {
    await this.#within(STOP_WAIT_MS, this.#saveAll())
  }

  /** Stops all timers. What has not been stored yet is stored after the next start, or by {@link flush}. */
  stop(): void {
    this.#isStarted = false
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    for (const endWait of this.#waits) endWait()
  }

  #onEvent({ type }: ProtectionEvent): void {
    if (type !== 'health:change') this.#noteChange()
  }

  #noteChange(): void {
    this.#hasChanges = true
    this.#saveLater()
  }

  #saveLater(): void {
    if (!this.#isStarted || this.#cancelTimer !== undefined) return
    this.#cancelTimer = this.#clock.schedule(() => {
      this.#cancelTimer = undefined
      // Whatever changes while something is being stored waits for the next time.
      if (this.#saving === undefined) void this.#save()
      else this.#saveLater()
    }, SAVE_DELAY_MS)
  }

  async #saveAll(): Promise<void> {
    await this.#saving
    // What is stored grows old and is forgiven without anything being told of it.
    if (this.#hasChanges || this.#hasStored) await this.#save()
  }

  /** Never rejects. */
  #save(): Promise<void> {
    this.#saving ??= this.#put().finally(() => {
      this.#saving = undefined
    })
    return this.#saving
  }

  async #put(): Promise<void> {
    if (!this.#isLoaded) await this.#load()
    if (!this.#isLoaded) return
    this.#hasChanges = false
    const saved = this.#protection.badRecords(this.#maxAgeMs)
    try {
      await this.#datastore.put(RECORDS_KEY, encodeRecords(saved))
      this.#hasStored = saved.records.length > 0
    } catch (error) {
      this.#hasChanges = true
      this.#log.error('could not store what is held against peers - %e', error)
    }
  }

  /** Never rejects. */
  #load(): Promise<void> {
    this.#loading ??= this.#get().finally(() => {
      this.#loading = undefined
    })
    return this.#loading
  }

  async #get(): Promise<void> {
    try {
      const bytes = await this.#read()
      // To be taken up it would need a timer, which a service that was stopped must not have.
      if (!this.#isStarted) return
      if (bytes !== undefined) await this.#takeUp(bytes)
      this.#isLoaded = true
    } catch (error) {
      this.#log.error('could not read what was held against peers - %e', error)
    }
  }

  async #read(): Promise<Uint8Array | undefined> {
    try {
      return await this.#datastore.get(RECORDS_KEY)
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return undefined
      throw error
    }
  }

  async #takeUp(bytes: Uint8Array): Promise<void> {
    const decoded = decodeRecords(bytes)
    if ('problem' in decoded) {
      this.#log.error('what was held against peers is set aside, since it is %s', decoded.problem)
      await this.#datastore.put(SET_ASIDE_KEY, bytes)
      await this.#datastore.delete(RECORDS_KEY)
      return
    }
    const restored = this.#protection.restore(decoded.saved, this.#maxAgeMs)
    this.#log('%d records of peers taken up', restored)
    this.#hasStored = decoded.saved.records.length > 0
    // Stored again they have times by this computer's clock, whichever they were stored by.
    if (restored > 0) this.#noteChange()
  }

  /** Waits for what never rejects, but not for longer than that. */
  async #within(limitMs: number, work: Promise<void>): Promise<void> {
    const { promise: isOver, resolve } = Promise.withResolvers<void>()
    const cancel = this.#clock.schedule(resolve, limitMs)
    const end = (): void => {
      this.#waits.delete(end)
      cancel()
      resolve()
    }
    this.#waits.add(end)
    await Promise.race([work, isOver])
    end()
  }
}
