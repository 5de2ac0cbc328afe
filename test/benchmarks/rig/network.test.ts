import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import {
  inOwnNamespace,
  lackOf,
  linkAddresses,
  linkCommands,
  netem,
  networks
} from '../../../benchmarks/rig/network.ts'
import type { Linked } from './linked-rig.ts'

const program = fileURLToPath(new URL('./linked-rig.ts', import.meta.url))
const benchmark = fileURLToPath(new URL('../../../benchmarks/peers.ts', import.meta.url))

const LONGEST_MS = 60_000

const node = [process.execPath, '--conditions=bitswap-protection-source']

async function output(command: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const [file, ...args] = command
  const { stdout } = await promisify(execFile)(file!, args, { timeout: LONGEST_MS, env })
  return stdout
}

describe('links', () => {
  test('have the conditions on both ends', () => {
    const commands = linkCommands(3, 4711, netem(networks.dsl)).map(command => command.join(' '))
    expect(commands).toEqual([
      'ip link add peer3 gso_max_segs 1 type veth peer name eth0 netns 4711 gso_max_segs 1',
      'ip address add 10.77.3.1/24 dev peer3',
      'tc qdisc add dev peer3 root netem delay 25ms 5ms loss 0.1% rate 16mbit',
      'ip link set peer3 up',
      'nsenter --net --target 4711 -- ip address add 10.77.3.2/24 dev eth0',
      'nsenter --net --target 4711 -- tc qdisc add dev eth0 root netem delay 25ms 5ms loss 0.1% rate 16mbit',
      'nsenter --net --target 4711 -- ip link set eth0 up'
    ])
  })

  test('are networks of their own', () => {
    expect(linkAddresses(255)).toEqual({ ours: '10.77.255.1', theirs: '10.77.255.2' })
    expect(linkAddresses(256)).toEqual({ ours: '10.78.0.1', theirs: '10.78.0.2' })
  })
})

// Where nobody may make a network namespace, nothing of this is there.
describe.skipIf(lackOf('links') !== undefined)('peers in network namespaces', { timeout: LONGEST_MS }, () => {
  test('are reached by their links, frozen, killed and started again', async () => {
    const linked = JSON.parse(await output(inOwnNamespace([...node, program]))) as Linked
    expect(linked).toEqual({
      peers: ['/ip4/10.77.0.2', '/ip4/10.77.1.2'],
      devices: ['peer0', 'peer1'],
      lost: { healthy: 0, frozen: 0, killed: 0, startedAgain: 0 },
      isRateInForce: true
    })
  })
})

test('without what it takes nothing is measured', async () => {
  // A system without the programs.
  const withoutPrograms = { ...process.env, PATH: '' }
  const { code, stderr } = (await output([...node, benchmark, '--network', 'dsl'], withoutPrograms).catch(
    error => error
  )) as { code: number; stderr: string }
  expect(stderr).toMatch(/^--network needs Linux with util-linux and iproute2/)
  expect(code).toBe(2)
})
