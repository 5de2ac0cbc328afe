import {
  FAILURE,
  type ManualClock,
  Protection,
  type ProtectionEventType,
  type ProtectionOptions,
  SUCCESS
} from 'bitswap-protection/core'
import { peerId } from '../core/subjects.ts'
import { seededStream } from '../rig/seeded-stream.ts'
import type { Population } from './population.ts'

/** Who decides whether a peer may be called. */
export interface Arm {
  /** Where it keeps what it knows of a peer. */
  slot(peer: number, nowMs: number): number
  /** A token to settle the call with, or a negative number if it must not be made. */
  admit(slot: number, peer: number, nowMs: number): number
  /** Whether it refuses a peer only because that gets but a share of the calls. */
  isRecovering(slot: number, nowMs: number): boolean
  /** A token of a call that is made although it should not be. */
  admitAnyway(slot: number, nowMs: number): number
  settle(slot: number, token: number, hasFailed: boolean, nowMs: number): void
  /** Nobody calls the peer any more for now. */
  leave(peer: number): void
}

/** Told what changed for a peer. */
export type ChangeHandler = (type: ProtectionEventType, peer: number) => void

/** Every call is made. */
export const unprotected: Arm = {
  slot: () => 0,
  admit: () => 0,
  isRecovering: () => false,
  admitAnyway: () => 0,
  settle() {},
  leave() {}
}

/** No call is made that the peer would fail; nobody can do better. */
export function oracle(isWell: (peer: number) => boolean): Arm {
  return { ...unprotected, admit: (_slot, peer) => (isWell(peer) ? 0 : -1) }
}

/** The protection decides. */
export class ProtectedArm implements Arm {
  readonly protection: Protection
  readonly #stopTelling: () => void
  readonly #population: Population
  /** Of the peers that are called now. */
  readonly #keys: string[] = []

  constructor(
    population: Population,
    clock: ManualClock,
    seed: number,
    options: Partial<ProtectionOptions>,
    onChange: ChangeHandler
  ) {
    this.#population = population
    this.protection = new Protection(options, { clock, random: seededStream(seed, 'protection') })
    this.#stopTelling = this.protection.onEvent(({ type, key }) => {
      if (type === 'health:change') return
      // The number of a key stands at its end. The record that many share has none.
      const peer = population.peerOf(Number.parseInt(key.slice(-10), 36))
      if (peer >= 0) onChange(type, peer)
    })
  }

  slot(peer: number, nowMs: number): number {
    this.#keys[peer] ||= peerId(this.#population.identity(peer))
    return this.protection.slot(this.#keys[peer], nowMs)
  }

  admit(slot: number, _peer: number, nowMs: number): number {
    return this.protection.table.admit(slot, nowMs)
  }

  isRecovering(slot: number, nowMs: number): boolean {
    return this.protection.table.ramp(slot, nowMs) !== undefined
  }

  admitAnyway(slot: number, nowMs: number): number {
    return this.protection.table.follow(slot, nowMs)
  }

  settle(slot: number, token: number, hasFailed: boolean, nowMs: number): void {
    this.protection.table.settle(slot, token, hasFailed ? FAILURE : SUCCESS, nowMs)
  }

  leave(peer: number): void {
    this.#keys[peer] = ''
  }

  /** The protection tells nothing here any more. */
  detach(): void {
    this.#stopTelling()
  }
}
