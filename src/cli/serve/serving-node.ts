import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import { type HeliaWithLibp2p, withLibp2pLight } from '@helia/libp2p'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { PrivateKey } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { BlackHoleBlockstore } from 'blockstore-core/black-hole'
import { FsDatastore } from 'datastore-fs'
import { createHeliaLight } from 'helia'
import { sha512 } from 'multiformats/hashes/sha2'
import { type BitswapProtectionInit, bitswapProtection, protectBitswap } from '../../bitswap/index.ts'
import { CommandError } from '../command-error.ts'
import { exitCodes } from '../exit-codes.ts'
import { KeptBlocks } from './kept-blocks.ts'

/** Only whom it belongs to may read it. */
const KEY_MODE = 0o600

export type ServingNode = HeliaWithLibp2p<{
  readonly protection: ReturnType<ReturnType<typeof bitswapProtection>>
}>

/** Where a node keeps what outlives it. */
export interface NodeStorage {
  /** For its key, its blocks and what is known of peers. */
  readonly directory: string
  /** What all its blocks together may have. */
  readonly maxBytes: number
}

/**
 * Starts a Helia node that is protected. It looks for nobody: whoever it shall talk to connects to it, or is dialled.
 *
 * @param storage - without one it is another node each time, and keeps no blocks: it fetches, and has nothing to serve
 */
export async function startServingNode(
  listen: readonly string[],
  storage: NodeStorage | undefined,
  protection: BitswapProtectionInit
): Promise<ServingNode> {
  const stores = storage === undefined ? { blockstore: new BlackHoleBlockstore() } : await storesIn(storage)
  const node = withBitswap(
    withLibp2pLight(createHeliaLight({ ...stores, hashers: [sha512] }), {
      privateKey: await privateKey(storage?.directory),
      addresses: { listen: [...listen] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), ping: ping(), protection: bitswapProtection(protection) }
    })
  ) as unknown as ServingNode
  protectBitswap(node)
  await node.start()
  return node
}

async function storesIn({ directory, maxBytes }: NodeStorage) {
  return {
    blockstore: await KeptBlocks.open(join(directory, 'blocks'), maxBytes),
    datastore: new FsDatastore(join(directory, 'data'))
  }
}

/** The one of before, or a new one. */
async function privateKey(directory: string | undefined): Promise<PrivateKey> {
  if (directory === undefined) return generateKeyPair('Ed25519')
  await mkdir(directory, { recursive: true })
  const path = join(directory, 'peer.key')
  const known = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (known !== undefined) return readKey(path, known)
  const key = await generateKeyPair('Ed25519')
  await writeFile(path, privateKeyToProtobuf(key), { mode: KEY_MODE, flag: 'wx' })
  return key
}

function readKey(path: string, bytes: Uint8Array): PrivateKey {
  try {
    return privateKeyFromProtobuf(bytes)
  } catch {
    throw new CommandError(
      exitCodes.failed,
      `${path} is not the key of a peer; without it the node gets another one`
    )
  }
}
