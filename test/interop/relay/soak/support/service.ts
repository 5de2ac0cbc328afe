import type { HttpFault, ReplyFault } from './fault.ts'

/** Something behind TLS that answers, and may do so badly. */
export interface Service extends AsyncDisposable {
  readonly port: number
  /** Has it answer as it should, if there is nothing wrong. */
  misbehave(fault: ReplyFault | HttpFault | undefined): void
}

/** Between two bytes of an answer that drips, in ms. */
export const DRIP_MS = 20
