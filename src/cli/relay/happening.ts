import type { NodeRole, SecureChannelEvent } from '../../relay/index.ts'
import type { Format } from '../terminal/paint.ts'
import { countText } from '../terminal/quantities.ts'

/** Something that is told when it happens: an event of the channel, or of what is asked over it. */
export interface Happening {
  readonly event: SecureChannelEvent['type'] | 'requests:fail' | 'requests:answered' | 'draining'
  /** In ms since 1970. */
  readonly atMs: number
  /** `host:port`, if it is about one node. */
  readonly endpoint: string | null
  readonly role: NodeRole | null
  /** Why, in words that a terminal can show. */
  readonly error: string | null
  /** How many requests it is about. */
  readonly requests: number | null
}

const texts: Readonly<Record<Happening['event'], string>> = {
  'node:suspect': 'is suspect',
  'node:down': 'is down',
  'node:up': 'is up',
  'node:warming-up': 'only starts',
  'node:refused': 'is REFUSED',
  'node:isolated': 'is isolated',
  'node:released': 'is isolated no more',
  failover: 'failover: no primary node answers',
  failback: 'failback: a primary node answers again',
  'requests:fail': 'requests FAIL',
  'requests:answered': 'requests are answered again',
  draining: 'draining'
}

/** It in one line, with the time of day. */
export function happeningText({ event, atMs, endpoint, role, error, requests }: Happening): string {
  const who = event.startsWith('node:') ? `${endpoint} (${role}) ` : ''
  const count = requests === null ? '' : countClause(event, requests)
  const why = error === null ? '' : `: ${error}`
  return `${timeOfDay(atMs)} ${who}${texts[event]}${count}${why}`
}

function countClause(event: Happening['event'], requests: number): string {
  return event === 'draining'
    ? `: ${countText(requests, 'request')} under way; Ctrl-C ends at once`
    : `, after ${requests} that failed`
}

/** In the time zone of whoever reads it. */
export function timeOfDay(atMs: number): string {
  return new Date(atMs).toTimeString().slice(0, 8)
}

const formats: Readonly<Record<Happening['event'], Format>> = {
  'node:suspect': 'yellow',
  'node:down': 'red',
  'node:up': 'green',
  'node:warming-up': 'yellow',
  'node:refused': 'red',
  'node:isolated': 'yellow',
  'node:released': 'green',
  failover: 'yellow',
  failback: 'green',
  'requests:fail': 'red',
  'requests:answered': 'green',
  draining: 'dim'
}

export function happeningFormat({ event }: Happening): Format {
  return formats[event]
}
