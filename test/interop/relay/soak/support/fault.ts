/** What can be wrong with the line to a server: connections that stand are reset, and others… */
export const lineFaults = Object.freeze([
  /** …are accepted as before. */
  'reset',
  /** …are refused. */
  'refuse',
  /** …are accepted, and never read. */
  'hang',
  /** …are read, and their handshake is never answered. */
  'no-handshake',
  /** …are broken off in the middle of the handshake. */
  'half-handshake'
] as const)

/** What can be wrong with who a server says it is. Connections that stand are reset. */
export const identityFaults = Object.freeze(['wrong-certificate', 'expired-certificate'] as const)

/** What can be wrong with what any server answers. */
const replyFaults = Object.freeze([
  'no-answer',
  'close-after-request',
  'drip',
  'truncated',
  'garbage',
  'oversized'
] as const)

/** What can be wrong with answers over HTTP only. */
const httpFaults = Object.freeze(['unavailable', 'warming-up'] as const)

/** What can be done to a server's process: it is stopped, or it is killed and started again. */
const processFaults = Object.freeze(['stop', 'kill'] as const)

export type LineFault = (typeof lineFaults)[number]
export type IdentityFault = (typeof identityFaults)[number]
export type ReplyFault = (typeof replyFaults)[number]
export type HttpFault = (typeof httpFaults)[number]
type ProcessFault = (typeof processFaults)[number]

/** A fault that a server brings about itself. */
export type OwnFault = LineFault | IdentityFault | ReplyFault | HttpFault
export type Fault = OwnFault | ProcessFault

/** What a relay of bytes, and what a node can suffer. */
export const relayFaults: readonly Fault[] = Object.freeze([
  ...lineFaults,
  ...identityFaults,
  ...replyFaults,
  ...processFaults
])
export const nodeFaults: readonly Fault[] = Object.freeze([...relayFaults, ...httpFaults])

export function isOneOf<Item extends Fault>(items: readonly Item[], fault: Fault): fault is Item {
  return (items as readonly Fault[]).includes(fault)
}
