import { execFile, spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

// Links with delay, loss and a limited rate, by netem of Linux. They are between network namespaces: this process has one of
// its own, and so has each peer. The machine's own network is not touched, and all of it is gone with the processes.

/** What a link does to packets, in each direction. */
export interface NetworkConditions {
  readonly delayMs: number
  /** By how much a delay may be longer or shorter. */
  readonly jitterMs: number
  readonly lossPercent: number
  readonly rateMbitPerS: number
}

export const networks = {
  lan: { delayMs: 1, jitterMs: 0, lossPercent: 0, rateMbitPerS: 100 },
  dsl: { delayMs: 25, jitterMs: 5, lossPercent: 0.1, rateMbitPerS: 16 },
  mobile: { delayMs: 60, jitterMs: 20, lossPercent: 1, rateMbitPerS: 8 }
} as const satisfies Readonly<Record<string, NetworkConditions>>

export type NetworkName = keyof typeof networks

/** A program and its arguments. */
type Command = readonly string[]

/**
 * The queueing discipline of such a link, in the words of `tc qdisc add`. Jitter does not change the order of packets: with a
 * rate, netem sends one after the other.
 */
export function netem({ delayMs, jitterMs, lossPercent, rateMbitPerS }: NetworkConditions): string {
  return `netem delay ${delayMs}ms ${jitterMs}ms loss ${lossPercent}% rate ${rateMbitPerS}mbit`
}

export function describeNetwork(name: NetworkName): string {
  const { delayMs, jitterMs, lossPercent, rateMbitPerS } = networks[name]
  const jitter = jitterMs === 0 ? '' : ` ± ${jitterMs}`
  return `${name} (${delayMs}${jitter} ms each way, ${lossPercent} % loss, ${rateMbitPerS} Mbit/s)`
}

const needs = {
  links: {
    what: 'Linux with util-linux and iproute2, and the right to make network namespaces: run it as root',
    probe: 'ip link add type veth'
  },
  netem: {
    what: 'a kernel with netem: `modprobe sch_netem`, which may be in a package of extra modules',
    probe: `tc qdisc add dev lo root ${netem(networks.dsl)}`
  }
} as const

/** Tries what networks with conditions need, and says what is missing; `undefined` if nothing is. */
export function lackOf(need: keyof typeof needs): string | undefined {
  const { what, probe } = needs[need]
  const [program, ...args] = inOwnNamespace(probe.split(' '))
  const { status, error, stderr } = spawnSync(program!, args, { encoding: 'utf8' })
  return status === 0 ? undefined : `${what} (${error?.message ?? stderr.trim()})`
}

/** The same command in a new network namespace. Who is not root becomes it there, where the system lets everybody. */
export function inOwnNamespace(command: Command): Command {
  const userNamespace = process.getuid?.() === 0 ? [] : ['--map-root-user']
  return ['unshare', ...userNamespace, '--net', '--', ...command]
}

/** Tells the program that is started again which namespace it has left. */
const LEFT_NAMESPACE = 'BENCH_LEFT_NAMESPACE'

/**
 * Has this process be the same program from its beginning in a network namespace of its own, unless it is in one by now.
 *
 * @returns what is missing for that
 */
export function enterOwnNamespace(): string | undefined {
  const left = process.env[LEFT_NAMESPACE]
  if (left !== undefined && left !== namespaceOf('self')) return undefined
  const lack = lackOf('links') ?? lackOf('netem')
  if (lack !== undefined) return lack
  const program = inOwnNamespace([process.execPath, ...process.execArgv, ...process.argv.slice(1)])
  const environment = { ...process.env, [LEFT_NAMESPACE]: namespaceOf('self') }
  // Not a child: whoever started this process can still end it, and see how it ended. `env` is there to find `unshare`.
  return process.execve!('/usr/bin/env', ['env', ...program], environment)
}

/** The ends of a peer's link, which is a /24 network of its own. */
export function linkAddresses(index: number): { readonly ours: string; readonly theirs: string } {
  const network = `10.${77 + Math.floor(index / 256)}.${index % 256}`
  return { ours: `${network}.1`, theirs: `${network}.2` }
}

/** What makes a link between this namespace and that of a peer's process. */
export function linkCommands(index: number, pid: number, qdisc: string): Command[] {
  const { ours, theirs } = linkAddresses(index)
  // Else TCP hands over up to 64 kB at once, and loses them at once: only a real network card cuts them into packets.
  const packets = 'gso_max_segs 1'
  const ready = (device: string, address: string): string[] => [
    `ip address add ${address}/24 dev ${device}`,
    `tc qdisc add dev ${device} root ${qdisc}`,
    `ip link set ${device} up`
  ]
  const lines = [
    `ip link add ${deviceOf(index)} ${packets} type veth peer name eth0 netns ${pid} ${packets}`,
    ...ready(deviceOf(index), ours),
    ...ready('eth0', theirs).map(line => `nsenter --net --target ${pid} -- ${line}`)
  ]
  return lines.map(line => line.split(' '))
}

/** Makes the link of a peer, once its process is in a namespace of its own. */
export async function makeLink(index: number, pid: number, qdisc: string): Promise<void> {
  while (namespaceOf(pid) === namespaceOf('self')) await sleep(1)
  // That of a peer that was killed vanishes when its last packets have arrived.
  await run(['ip', 'link', 'delete', deviceOf(index)]).catch(() => {})
  for (const command of linkCommands(index, pid, qdisc)) await run(command)
}

function deviceOf(index: number): string {
  return `peer${index}`
}

function namespaceOf(process: number | 'self'): string {
  return readlinkSync(`/proc/${process}/ns/net`)
}

async function run([program, ...args]: Command): Promise<void> {
  await promisify(execFile)(program!, args)
}
