import type { CircuitState, LatencyCounts } from '../../core/index.ts'
import type { ChannelSnapshot, NodeSnapshot, PoolSnapshot } from '../sources.ts'
import { byLabel, type Family, histogram, type Sample, single } from './family.ts'

/** What is known of an endpoint, whether there is a pool of channels to it or it is one of several nodes. */
interface EndpointSnapshot {
  readonly endpoint: string
  readonly isUp: boolean
  readonly connections: number
  readonly errors: number
  readonly consecutiveFailures: number
  readonly answerTimes: LatencyCounts
  readonly circuitState: CircuitState
}

/** Of endpoints, each by its label. */
const endpointFamilies: ReadonlyArray<Family<EndpointSnapshot>> = [
  {
    name: 'endpoint_up',
    type: 'gauge',
    help: 'Whether the endpoint can be used',
    read: ({ endpoint, isUp }) => single(isUp ? 1 : 0, { endpoint })
  },
  {
    name: 'active_connections',
    type: 'gauge',
    help: 'Connections that stand, in use or not',
    read: ({ endpoint, connections }) => single(connections, { endpoint })
  },
  {
    name: 'errors_total',
    type: 'counter',
    help: 'What went wrong on connections, and when opening others',
    read: ({ endpoint, errors }) => single(errors, { endpoint })
  },
  {
    name: 'consecutive_failures',
    type: 'gauge',
    help: 'What failed since the endpoint last answered',
    read: ({ endpoint, consecutiveFailures }) => single(consecutiveFailures, { endpoint })
  },
  {
    name: 'latency_ms',
    type: 'histogram',
    help: 'Time to an answer, in milliseconds; the same as latency_seconds',
    read: ({ endpoint, answerTimes }) => histogram(answerTimes, 1, { endpoint })
  },
  {
    name: 'latency_seconds',
    type: 'histogram',
    help: 'Time to an answer',
    read: ({ endpoint, answerTimes }) => histogram(answerTimes, 1_000, { endpoint })
  },
  {
    name: 'circuit_state',
    type: 'gauge',
    help: 'Which state the circuit of the endpoint is in',
    read: ({ endpoint, circuitState }) =>
      byLabel('state', { CLOSED: 0, OPEN: 0, HALF_OPEN: 0, [circuitState]: 1 }, { endpoint })
  }
]

export const poolFamilies: ReadonlyArray<Family<PoolSnapshot>> = [
  ...endpointFamilies.map(family => ({ ...family, read: (pool: PoolSnapshot) => family.read(ofPool(pool)) })),
  {
    name: 'idle_connections',
    type: 'gauge',
    help: 'Connections that stand, and are not in use',
    read: ({ endpoint, idleConnections }) => single(idleConnections, { endpoint })
  },
  {
    name: 'opening_connections',
    type: 'gauge',
    help: 'Connections that are being opened',
    read: ({ endpoint, opening }) => single(opening, { endpoint })
  },
  {
    name: 'waiting_callers',
    type: 'gauge',
    help: 'Callers that wait for a connection',
    read: ({ endpoint, waiting }) => single(waiting, { endpoint })
  },
  {
    name: 'reconnects_total',
    type: 'counter',
    help: 'Connections that were opened in place of one that was lost',
    read: ({ endpoint, totalReconnects }) => single(totalReconnects, { endpoint })
  }
]

export const channelFamilies: ReadonlyArray<Family<ChannelSnapshot>> = [
  ...endpointFamilies.map(family => ({
    ...family,
    read: ({ nodes }: ChannelSnapshot): readonly Sample[] => nodes.flatMap(node => family.read(ofNode(node)))
  })),
  {
    name: 'node_requests_in_flight',
    type: 'gauge',
    help: 'Requests under way at the node',
    read: ({ nodes }) => nodes.flatMap(({ endpoint, inFlight }) => single(inFlight, { endpoint }))
  },
  {
    name: 'requests_in_flight',
    type: 'gauge',
    help: 'Requests under way, at whichever node',
    read: ({ inFlight }) => single(inFlight)
  },
  {
    name: 'requests_total',
    type: 'counter',
    help: 'Requests that were made',
    read: ({ totalRequests }) => single(totalRequests)
  },
  {
    name: 'request_errors_total',
    type: 'counter',
    help: 'Requests that ended with an error that is not an answer of a node',
    read: ({ totalErrors }) => single(totalErrors)
  },
  {
    name: 'request_retries_total',
    type: 'counter',
    help: 'Requests that were made again, of another node',
    read: ({ totalRetries }) => single(totalRetries)
  },
  {
    name: 'request_hedges_total',
    type: 'counter',
    help: 'Requests that were made of another node as well, since the first was slow',
    read: ({ totalHedges }) => single(totalHedges)
  },
  {
    name: 'failovers_total',
    type: 'counter',
    help: 'How often the last primary node was lost',
    read: ({ totalFailovers }) => single(totalFailovers)
  },
  {
    name: 'failed_over',
    type: 'gauge',
    help: 'Whether no primary node answers, and backup ones are asked',
    read: ({ isFailedOver }) => single(isFailedOver ? 1 : 0)
  },
  {
    name: 'block_height',
    type: 'gauge',
    help: 'The height that most nodes agree on at least',
    read: ({ height }) => (height === undefined ? [] : single(height))
  }
]

function ofPool({ endpoint, isHealthy, activeConnections, totalErrors, answerTimes, circuit }: PoolSnapshot) {
  return {
    endpoint,
    isUp: isHealthy,
    connections: activeConnections,
    errors: totalErrors,
    consecutiveFailures: circuit?.consecutiveErrors ?? 0,
    answerTimes,
    circuitState: circuit?.circuitState ?? 'CLOSED'
  }
}

function ofNode(node: NodeSnapshot) {
  const { endpoint, isHealthy, connections, totalErrors, consecutiveFails, answerTimes, circuit } = node
  return {
    endpoint,
    isUp: isHealthy,
    connections,
    errors: totalErrors,
    consecutiveFailures: consecutiveFails,
    answerTimes,
    circuitState: circuit?.circuitState ?? 'CLOSED'
  }
}
