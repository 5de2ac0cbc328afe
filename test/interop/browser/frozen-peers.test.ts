import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Locator, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { makeBlocks } from '../../../src/cli/swarm/blocks.ts'
import { killWithParent } from '../../../src/cli/swarm/child-guard.ts'
import { Swarm } from '../../../src/cli/swarm/swarm.ts'
import type { SwarmPeer } from '../../../src/cli/swarm/swarm-peer.ts'
import { ManagementClient } from '../../../src/management/client/index.ts'
import { launch, picture, visit } from './support/browser.ts'

// The daemon with real peers in processes of their own: one is stopped in its tracks and let go on, while a browser looks.

const WAIT = { timeout: 40_000, interval: 100 }
const TOKEN = 'something-nobody-guesses'
const main = resolve(import.meta.dirname, '../../../src/cli/main.ts')

/** The command, until it is disposed of. */
class Serving implements AsyncDisposable {
  readonly #child: ChildProcess
  #stdout = ''

  static async start(peers: readonly string[]): Promise<Serving> {
    const folder = await mkdtemp(join(tmpdir(), 'frozen-peers-'))
    const config = join(folder, 'config.json')
    const content = {
      node: { peers },
      protection: { circuitBreaker: { failureThreshold: 1, timeout: '2s' } },
      server: { port: 0, authToken: TOKEN }
    }
    await writeFile(config, JSON.stringify(content))
    const serving = new Serving(config)
    await expect.poll(() => serving.url, WAIT).toBeDefined()
    await rm(folder, { recursive: true })
    return serving
  }

  private constructor(config: string) {
    const args = ['--conditions=bitswap-protection-source', main, 'serve', '--config', config]
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    killWithParent(this.#child)
    this.#child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      this.#stdout += part
    })
  }

  get url(): string | undefined {
    return /To look and steer: (\S+)/.exec(this.#stdout)?.[1]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'close')
  }
}

/** Fetches blocks, one after the other, until it is ended. */
function fetchOn(url: string, cids: readonly string[]): { end: () => Promise<number> } {
  let isEnding = false
  const fetching = (async () => {
    let fetched = 0
    for (const cid of cids) {
      if (isEnding) break
      const response = await fetch(`${url}/ipfs/${cid}`, { headers: { 'x-auth-token': TOKEN } })
      if (!response.ok) throw new Error(`${cid}: ${response.status}`)
      await response.arrayBuffer()
      fetched++
      await sleep(20)
    }
    return fetched
  })()
  return {
    end: () => {
      isEnding = true
      return fetching
    }
  }
}

/** Who has been asked for most, as it will be asked for more. */
async function busiest(swarm: Swarm, url: string): Promise<SwarmPeer> {
  const client = new ManagementClient({ url, authToken: TOKEN, cacheMs: 0 })
  let id: string | undefined
  const requests = async (): Promise<number> => {
    const { value } = await client.getPeers({ sort: 'requests', size: 1 })
    id = value.peers[0]?.peer
    return value.peers[0]?.requests ?? 0
  }
  await expect.poll(requests, WAIT).toBeGreaterThan(50)
  return swarm.peers.find(({ peerId }) => peerId === id)!
}

function rowOf(page: Page, peerId: string): Locator {
  return page.locator('#peers tbody tr').filter({ has: page.locator(`[title="${peerId}"]`) })
}

test('a peer that is frozen is seen to be, and to be well again once it is thawed', {
  timeout: 180_000
}, async () => {
  await using swarm = await Swarm.start([{ name: 'a' }, { name: 'b' }, { name: 'c' }])
  const request = { seed: 5, count: 5_000, sizeBytes: 500 }
  await Promise.all(swarm.peers.map(peer => peer.addBlocks(request)))
  const cids = (await makeBlocks(request)).map(({ cid }) => `${cid}`)
  await using serving = await Serving.start(swarm.peers.map(({ multiaddr }) => multiaddr))
  const url = serving.url!
  const browser = await launch()
  try {
    const { page, faults } = await visit(browser, url)
    page.setDefaultTimeout(WAIT.timeout)
    await page.getByLabel('Token', { exact: true }).fill(TOKEN)
    await page.getByRole('button', { name: 'Continue' }).click()
    const fetching = fetchOn(url, cids)
    const frozen = await busiest(swarm, url)
    const row = rowOf(page, frozen.peerId)
    const text = (): Promise<string> => row.innerText()
    await expect.poll(text, WAIT).toMatch(/Closed/)

    frozen.freeze()
    await expect.poll(text, WAIT).toMatch(/Open|Suspect/)
    const timeline = page.locator('#timeline')
    await expect.poll(() => timeline.innerText(), WAIT).toMatch(/Circuit opened/)
    await picture(page, 'frozen-peer')

    frozen.thaw()
    await expect.poll(text, WAIT).toMatch(/Closed/)
    await expect.poll(() => timeline.innerText(), WAIT).toMatch(/Circuit closed/)
    await picture(page, 'thawed-peer')
    // All the while every block came.
    expect(await fetching.end()).toBeGreaterThan(50)
    expect(faults).toEqual([])
  } finally {
    await browser.close()
  }
})
