import type { ProtectionEvent } from '../../core/index.ts'
import type { Format } from '../terminal/paint.ts'

/** Something that happened. */
export interface Moment {
  /** Since reading began. */
  readonly atMs: number
  /** A fault made on purpose, a finding of the protection, or how a reader fared. */
  readonly kind: 'FAULT' | 'PROTECTION' | 'READER'
  /** Whom it happened to: a peer, or a reader. */
  readonly who: string
  readonly what: string
}

const texts: Readonly<Partial<Record<ProtectionEvent['type'], string>>> = {
  'circuit:open': 'circuit opens',
  'circuit:half-open': 'circuit half-open, probes go out',
  'circuit:close': 'circuit closes',
  'recovery:start': 'recovers, with a small share at first',
  'recovery:complete': 'has recovered',
  'recovery:relapse': 'fails again while recovering'
}

/** What an event of the protection means; `undefined` for those that say no more than others do. */
export function protectionText(type: ProtectionEvent['type'], trouble: string): string | undefined {
  const text = texts[type]
  return type === 'circuit:open' && trouble !== '' ? `${text}: ${trouble}` : text
}

export function momentText({ atMs, who, what }: Moment): string {
  return `${(atMs / 1000).toFixed(1).padStart(6)} s  ${who}: ${what}`
}

const formats: Readonly<Record<Moment['kind'], Format>> = {
  FAULT: 'yellow',
  PROTECTION: 'cyan',
  READER: 'bold'
}

export function momentFormat({ kind, what }: Moment): Format {
  if (kind === 'PROTECTION' && what.startsWith('circuit opens')) return 'red'
  if (kind === 'PROTECTION' && what.startsWith('has recovered')) return 'green'
  return formats[kind]
}
