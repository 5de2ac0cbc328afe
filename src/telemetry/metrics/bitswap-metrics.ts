import type { BitswapSnapshot } from '../sources.ts'
import { byLabel, type Family, histogram, single } from './family.ts'

/** What the names of these metrics begin with. */
export const BITSWAP_NAMESPACE = 'bitswap_protection'

/** Of protected nodes: totals only, never a peer. */
export const bitswapFamilies: ReadonlyArray<Family<BitswapSnapshot>> = [
  {
    name: 'breakers',
    type: 'gauge',
    help: 'Circuits in each state',
    read: ({ circuitStates }) => byLabel('state', circuitStates)
  },
  {
    name: 'peers',
    type: 'gauge',
    help: 'Peers of each health',
    read: ({ healthStats: { healthyPeers, degradedPeers, unhealthyPeers, unknownPeers } }) =>
      byLabel('health', {
        healthy: healthyPeers,
        degraded: degradedPeers,
        unhealthy: unhealthyPeers,
        unknown: unknownPeers
      })
  },
  {
    name: 'special_peers',
    type: 'gauge',
    help: 'Peers that are treated in some way of their own; one may be treated in several',
    read: ({ recoveringPeers, isolatedPeers, demotedPeers, suspectPeers, ejectedPeers }) =>
      byLabel('treatment', {
        recovering: recoveringPeers,
        isolated: isolatedPeers,
        demoted: demotedPeers,
        suspect: suspectPeers,
        ejected: ejectedPeers
      })
  },
  {
    name: 'mode',
    type: 'gauge',
    help: 'Nodes in each mode',
    read: ({ mode }) => byLabel('mode', { enforce: 0, observe: 0, off: 0, [mode]: 1 })
  },
  {
    name: 'calls_in_flight',
    type: 'gauge',
    help: 'Calls to peers that have not ended',
    read: ({ inFlight }) => single(inFlight)
  },
  {
    name: 'wants_total',
    type: 'counter',
    help: 'Blocks asked of a peer, by what came of it',
    read: ({ totals }) => byLabel('result', totals.wants)
  },
  {
    name: 'consecutive_want_failures',
    type: 'gauge',
    help: 'Wants that failed since one was last answered',
    read: ({ totals }) => single(totals.consecutiveWantFailures)
  },
  {
    name: 'rejections_total',
    type: 'counter',
    help: 'Messages and calls held back',
    read: ({ totals }) => byLabel('reason', totals.heldBack)
  },
  {
    name: 'inbound_refusals_total',
    type: 'counter',
    help: 'Streams of peers that asked or sent too much',
    read: ({ totals }) => byLabel('reason', totals.inboundRefusals)
  },
  {
    name: 'inbound_disconnects_total',
    type: 'counter',
    help: 'Peers disconnected since they went on although they were refused',
    read: ({ totals }) => single(totals.inboundDisconnects)
  },
  {
    name: 'events_total',
    type: 'counter',
    help: 'Changes of circuits, recoveries and health',
    read: ({ totals }) => byLabel('event', totals.events)
  },
  {
    name: 'stream_open_seconds',
    type: 'histogram',
    help: 'Time until a Bitswap stream was open',
    read: ({ totals }) => histogram(totals.openTimes, 1_000)
  },
  {
    name: 'answer_seconds',
    type: 'histogram',
    help: 'Time from a want to its answer',
    read: ({ totals }) => histogram(totals.answerTimes, 1_000)
  }
]
