import type { PeerPlan } from '../swarm/swarm-peer.ts'

/** A peer of the demo, and what will become of it. */
export interface Role extends PeerPlan {
  readonly about: string
}

/** Delays are one way; a block takes several ways. */
export const cast: readonly Role[] = [
  { name: 'near', delayMs: 20, about: 'healthy' },
  { name: 'far', delayMs: 30, about: 'healthy' },
  { name: 'slow', delayMs: 80, about: 'healthy, but slow' },
  { name: 'mute', fault: 'mute', about: 'takes requests, never answers' },
  { name: 'stuck', delayMs: 20, about: 'freezes at 3 s' },
  { name: 'comeback', delayMs: 15, about: 'freezes at 3 s, thaws at 6 s' },
  { name: 'doomed', delayMs: 20, about: 'is killed at 5 s' }
]
