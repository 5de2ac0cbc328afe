import { type CircuitBreakerOptions, InvalidOptionError, type RecoveryOptions } from '../../core/index.ts'
import {
  anyObject,
  durationMs,
  numberBetween,
  type Rule,
  type Rules,
  resolveOptions,
  text,
  trueOrFalse,
  wholeNumber
} from '../../core/options.ts'
import { namespaceRule } from '../namespace.ts'
import { MAX_REPLY_BYTES } from '../protocols/electrum-node-client.ts'
import { HIDDEN, type Secret, secretRule } from '../secrets/secret.ts'
import type { TlsOptions } from '../tls/tls-options.ts'
import { type NodeAddress, parseNodeAddress } from './node-address.ts'
import type { NodeRole } from './relay-node.ts'

/** One node. */
export interface NodeOptions {
  /** `host:port`, `https://host:port/path`, `http://127.0.0.1:port` or, for Electrum's protocol, `ssl://host:port`. */
  address: string
  /** Of HTTP's basic authentication. */
  username: string | undefined
  password: string | Secret | undefined
  /** The file with both that Bitcoin Core writes when it starts, `.cookie`, instead of them. It is read for each request. */
  cookieFile: string | undefined
  /** Go over those of all nodes. */
  tls: Partial<TlsOptions>
}

/** When nodes are checked, and how. Durations in ms. */
export interface HealthCheckOptions {
  /** How often while nothing is wrong, from 100. */
  intervalMs: number
  /** How long an answer may take then, from 1. */
  timeoutMs: number
  /** Checks a node has to fail in a row until its circuit is opened, from 1. It is held back from the first one on. */
  retries: number
  /** How long the check of a node that is suspect may take, unless it always takes a quarter of that, from 1. */
  probeTimeoutMs: number
}

/** How a channel is closed. Durations in ms. */
export interface ShutdownOptions {
  /** How long all that is under way is waited for. */
  drainTimeoutMs: number
  /** How long what changes something is waited for. */
  forceTimeoutMs: number
  /** Where what must not be lost is kept until the next start: what nodes are held to be, and what was not sent yet. */
  stateFile: string | undefined
}

/** Options of a channel to several nodes. Durations in ms. */
export interface SecureChannelOptions {
  /** Put before the names of its metrics: letters, digits and `_`. */
  namespace: string
  /** Asked as long as any of them answers. All nodes speak the same protocol. */
  primaryNodes: ReadonlyArray<string | (Partial<NodeOptions> & { address: string })>
  /** Asked when no primary one answers. */
  backupNodes: ReadonlyArray<string | (Partial<NodeOptions> & { address: string })>
  tls: Partial<TlsOptions>
  /** Whether nodes on this machine may be spoken to without TLS, at an address such as `http://127.0.0.1:8332`. */
  allowLoopbackHttp: boolean
  /** How many connections to a node there may be, from 1 to 1000. Nodes allow few: btcd 10. */
  maxConnections: number
  /** The longest answer, in bytes, from 1024. */
  maxReplyBytes: number
  /** How long a request may take altogether, unless it is told, from 1. */
  requestTimeoutMs: number
  /** How often one request may be made again, or twice, from 0 to 100. */
  maxRetries: number
  /** Of all requests, how many may be made again, or twice, from 0 to 1. */
  retryShare: number
  /** After how long another node is asked too, if a node does not usually take half of it; from 1. Not for what changes something. */
  hedgeAfterMs: number
  /** A node is passed over if it is more blocks behind, from 0. */
  maxLagBlocks: number
  /** How many requests are made a second, of all nodes and of each; `undefined` for any number. From 1. */
  maxRequestsPerS: number | undefined
  maxNodeRequestsPerS: number | undefined
  /** Options of the core's breaker, over the preset `relay`. */
  breaker: Partial<CircuitBreakerOptions>
  /** How traffic comes back to a node that has failed. */
  recovery: Partial<RecoveryOptions>
  healthCheck: Partial<HealthCheckOptions>
  shutdown: Partial<ShutdownOptions>
}

export const defaultHealthCheckOptions: Readonly<HealthCheckOptions> = Object.freeze({
  intervalMs: 5_000,
  timeoutMs: 3_000,
  retries: 3,
  probeTimeoutMs: 250
})

export const defaultShutdownOptions: Readonly<ShutdownOptions> = Object.freeze({
  drainTimeoutMs: 60_000,
  forceTimeoutMs: 120_000,
  stateFile: undefined
})

export const defaultSecureChannelOptions: Readonly<SecureChannelOptions> = Object.freeze({
  namespace: 'secure_channel',
  primaryNodes: Object.freeze([]),
  backupNodes: Object.freeze([]),
  tls: Object.freeze({}),
  allowLoopbackHttp: false,
  maxConnections: 8,
  maxReplyBytes: MAX_REPLY_BYTES,
  requestTimeoutMs: 10_000,
  maxRetries: 3,
  retryShare: 0.2,
  hedgeAfterMs: 250,
  maxLagBlocks: 2,
  maxRequestsPerS: undefined,
  maxNodeRequestsPerS: undefined,
  breaker: Object.freeze({}),
  recovery: Object.freeze({}),
  healthCheck: Object.freeze({}),
  shutdown: Object.freeze({})
})

/** More are not needed, and each is checked now and then. */
const MAX_NODES = 64

const nodeList: Rule = { allowed: 'a list of nodes', accepts: Array.isArray }
const optionalRate = optional(wholeNumber(1, 1_000_000))

const rules: Rules<SecureChannelOptions> = {
  namespace: namespaceRule,
  primaryNodes: nodeList,
  backupNodes: nodeList,
  tls: anyObject,
  allowLoopbackHttp: trueOrFalse,
  maxConnections: wholeNumber(1, 1_000),
  maxReplyBytes: wholeNumber(1_024, 2 ** 30),
  requestTimeoutMs: durationMs(1),
  maxRetries: wholeNumber(0, 100),
  retryShare: numberBetween(0, 1),
  hedgeAfterMs: durationMs(1),
  maxLagBlocks: wholeNumber(0, 1_000_000),
  maxRequestsPerS: optionalRate,
  maxNodeRequestsPerS: optionalRate,
  breaker: anyObject,
  recovery: anyObject,
  healthCheck: anyObject,
  shutdown: anyObject
}

const nodeRules: Rules<NodeOptions> = {
  address: text,
  username: optional(text),
  // Looked at by itself: whatever it is, it is not shown.
  password: { allowed: secretRule.allowed, accepts: () => true },
  cookieFile: optional(text),
  tls: anyObject
}

const defaultNodeOptions: NodeOptions = {
  address: '',
  username: undefined,
  password: undefined,
  cookieFile: undefined,
  tls: {}
}

/** A node that was read. */
export interface NodeSetup extends Omit<NodeOptions, 'address'> {
  /** What it is called in errors. */
  readonly option: string
  readonly role: NodeRole
  readonly address: NodeAddress
}

/** Options that were checked. */
export interface SecureChannelSetup extends Omit<Readonly<SecureChannelOptions>, 'healthCheck' | 'shutdown'> {
  readonly nodes: readonly NodeSetup[]
  readonly healthCheck: Readonly<HealthCheckOptions>
  readonly shutdown: Readonly<ShutdownOptions>
}

/** @throws InvalidOptionError */
export function resolveSecureChannelOptions(options: Partial<SecureChannelOptions>): SecureChannelSetup {
  const resolved = resolveOptions('channel', defaultSecureChannelOptions, options, rules)
  const nodes = [...readNodes(resolved, 'primary'), ...readNodes(resolved, 'backup')]
  checkNodes(nodes)
  const healthCheck = resolveOptions('healthCheck', defaultHealthCheckOptions, resolved.healthCheck, {
    intervalMs: durationMs(100),
    timeoutMs: durationMs(1),
    retries: wholeNumber(1, 1_000),
    probeTimeoutMs: durationMs(1)
  })
  return Object.freeze({ ...resolved, nodes, healthCheck, shutdown: resolveShutdown(resolved.shutdown) })
}

/** @throws InvalidOptionError */
export function resolveShutdown(options: Partial<ShutdownOptions>): Readonly<ShutdownOptions> {
  const resolved = resolveOptions('shutdown', defaultShutdownOptions, options, {
    drainTimeoutMs: durationMs(0),
    forceTimeoutMs: durationMs(0),
    stateFile: optional(text)
  })
  const { drainTimeoutMs, forceTimeoutMs } = resolved
  if (drainTimeoutMs > forceTimeoutMs)
    throw new InvalidOptionError(
      'shutdown.drainTimeoutMs',
      drainTimeoutMs,
      `no more than forceTimeoutMs, ${forceTimeoutMs}`
    )
  return resolved
}

function readNodes(options: Readonly<SecureChannelOptions>, role: NodeRole): NodeSetup[] {
  const name = role === 'primary' ? 'primaryNodes' : 'backupNodes'
  return options[name].map((given, index) => {
    const option = `channel.${name}[${index}]`
    const node = typeof given === 'string' ? { address: given } : given
    const { address, ...rest } = resolveOptions(option, defaultNodeOptions, node, nodeRules)
    if (!secretRule.accepts(rest.password))
      throw new InvalidOptionError(`${option}.password`, HIDDEN, secretRule.allowed)
    const setup = {
      ...rest,
      option,
      role,
      address: parseNodeAddress(address, option, options.allowLoopbackHttp)
    }
    checkConsistent(setup)
    return setup
  })
}

/** Nothing that was said about a node is to be ignored. @throws InvalidOptionError */
function checkConsistent({ option, address, username, password, cookieFile, tls }: NodeSetup): void {
  if (!address.isSecure && Object.keys(tls).length > 0)
    throw new InvalidOptionError(`${option}.tls`, tls, 'nothing, as there is no TLS after http://')
  const hasBoth = username !== undefined || password !== undefined
  if (hasBoth && cookieFile !== undefined)
    throw new InvalidOptionError(`${option}.cookieFile`, cookieFile, 'nothing beside user name and password')
  if (address.protocol === 'electrum' && (hasBoth || cookieFile !== undefined))
    throw new InvalidOptionError(option, HIDDEN, "no user name and password: Electrum's protocol has none")
}

function checkNodes(nodes: readonly NodeSetup[]): void {
  if (!nodes.some(({ role }) => role === 'primary') || nodes.length > MAX_NODES)
    throw new InvalidOptionError(
      'channel.primaryNodes',
      nodes.length,
      `at least one node, and no more than ${MAX_NODES} with the backup ones`
    )
  const keys = nodes.map(({ address }) => address.endpoint.key)
  const twice = keys.find((key, index) => keys.indexOf(key) < index)
  if (twice !== undefined) throw new InvalidOptionError('channel.backupNodes', twice, 'each node only once')
  const protocols = new Set(nodes.map(({ address }) => address.protocol))
  if (protocols.size > 1)
    throw new InvalidOptionError(
      'channel.backupNodes',
      [...protocols],
      'nodes that all speak the same protocol'
    )
}

function optional(rule: Rule): Rule {
  return { allowed: rule.allowed, accepts: value => value === undefined || rule.accepts(value) }
}
