const SECOND = 1000

/** How a peer answers one request. One that never answers does so after `Infinity`. */
export interface Answer {
  readonly afterMs: number
  readonly with: 'BLOCK' | 'DONT_HAVE' | 'ERROR'
}

/** Two numbers from 0 to 1 that decide how a request goes, so that it goes the same way in every run. */
export type Luck = readonly [time: number, ending: number]

type Behaviour = (luck: Luck) => Answer

export interface Peer {
  readonly name: string
  readonly about: string
  readonly usual: Behaviour
  /** A time when it is of no use. */
  readonly trouble?: { readonly fromMs: number; readonly untilMs: number; readonly behaviour: Behaviour }
}

export function isInTrouble({ trouble }: Peer, nowMs: number): boolean {
  return trouble !== undefined && trouble.fromMs <= nowMs && nowMs < trouble.untilMs
}

export function answer(peer: Peer, luck: Luck, nowMs: number): Answer {
  return isInTrouble(peer, nowMs) ? peer.trouble!.behaviour(luck) : peer.usual(luck)
}

const quick: Behaviour = ([time]) => ({ afterMs: 15 + 45 * time, with: 'BLOCK' })
const slow: Behaviour = ([time]) => ({ afterMs: 600 + 600 * time, with: 'BLOCK' })
const silent: Behaviour = () => ({ afterMs: Infinity, with: 'ERROR' })
const erratic: Behaviour = ([time, ending]) => ({
  afterMs: 30 + 200 * time,
  with: ending < 0.5 ? 'BLOCK' : 'ERROR'
})
const sparse: Behaviour = ([time, ending]) => ({
  afterMs: 15 + 45 * time,
  with: ending < 0.1 ? 'BLOCK' : 'DONT_HAVE'
})

const healthy = ['ada', 'bob', 'cleo', 'dan', 'eve', 'finn', 'gus'].map(name => ({
  name,
  about: 'quick',
  usual: quick
}))

/** The swarm: mostly quick peers, and one of each kind that makes trouble, or looks as if. */
export const peers: readonly Peer[] = [
  ...healthy,
  { name: 'snail', about: 'slow, but always delivers', usual: slow },
  { name: 'hollow', about: 'rarely has the block, and says so', usual: sparse },
  {
    name: 'staller',
    about: 'silent from 1:00 to 4:00',
    usual: quick,
    trouble: { fromMs: 60 * SECOND, untilMs: 240 * SECOND, behaviour: silent }
  },
  {
    name: 'goner',
    about: 'silent from 2:00 on',
    usual: quick,
    trouble: { fromMs: 120 * SECOND, untilMs: Infinity, behaviour: silent }
  },
  {
    name: 'flapper',
    about: 'every other answer is an error',
    usual: erratic,
    trouble: { fromMs: 0, untilMs: Infinity, behaviour: erratic }
  }
]
