import { CID } from 'multiformats/cid'
import { UsageError } from './command-error.ts'
import { groupByPeer, type ProviderAddresses } from './peer-address.ts'
import { harmless, shorten } from './terminal/visible-text.ts'

/** What to fetch, from whom, and where to. */
export interface FetchRequest {
  readonly cid: CID
  readonly providers: readonly ProviderAddresses[]
  /** `undefined` for standard output. */
  readonly outputPath: string | undefined
  /** How long to wait without progress. */
  readonly patienceMs: number
}

/** What was typed after `fetch`, as text. */
export interface FetchArguments {
  readonly positionals: readonly string[]
  readonly peers: readonly string[]
  readonly output: string | undefined
  readonly timeout: string
}

const CID_SHAPE = 'a CID looks like bafy... or Qm...'
const MAX_PATIENCE_S = 24 * 60 * 60

const codecNames: ReadonlyMap<number, string> = new Map([
  [0x51, 'cbor'],
  [0x71, 'dag-cbor'],
  [0x72, 'a key, such as a peer id or an IPNS name'],
  [0x0129, 'dag-json'],
  [0x0200, 'json']
])
/** raw, dag-pb */
const FILE_CODECS = [0x55, 0x70]
/** identity, sha2-256, sha2-512 */
const HASHES = [0x00, 0x12, 0x13]

/** @throws UsageError naming what is wrong and what is allowed */
export function fetchRequest({ positionals, peers, output, timeout }: FetchArguments): FetchRequest {
  if (positionals.length !== 1) {
    throw new UsageError(
      positionals.length === 0
        ? 'which file? Name its CID: fetch <cid> --peer <multiaddr>'
        : `one CID at a time, but got ${positionals.length}: ${positionals.map(quoted).join(', ')}; addresses of peers go after --peer`
    )
  }
  if (peers.length === 0) throw new UsageError('from whom? Name at least one peer: --peer <multiaddr>')
  return {
    cid: parseCid(positionals[0]!),
    providers: groupByPeer(peers),
    outputPath: output === '-' ? undefined : output,
    patienceMs: parsePatience(timeout)
  }
}

function parseCid(text: string): CID {
  const bare = text.replace(/^(ipfs:\/\/|\/ipfs\/)/, '')
  const confusion = confusedWith(bare)
  if (confusion !== undefined) throw new UsageError(`invalid CID ${quoted(text)}: ${confusion}; ${CID_SHAPE}`)
  const cid = decodeCid(bare)
  const { code, multihash } = cid
  if (!FILE_CODECS.includes(code)) {
    const codec = codecNames.get(code) ?? `codec 0x${code.toString(16)}`
    throw new UsageError(
      `CID ${quoted(text)} is of ${codec}; only files can be fetched, of codec dag-pb or raw`
    )
  }
  if (!HASHES.includes(multihash.code)) {
    throw new UsageError(
      `CID ${quoted(text)} has a hash of type 0x${multihash.code.toString(16)}; only sha2-256, sha2-512 and identity can be verified`
    )
  }
  return cid
}

/** What was given instead of a CID, if that can be told. */
function confusedWith(text: string): string | undefined {
  if (text.startsWith('/')) return 'that is an address or a path'
  if (text.includes('/')) return 'paths below a CID are not supported, name that of the file itself'
  return /^(12D3KooW|16Uiu2H)/.test(text) ? 'that is a peer id' : undefined
}

function decodeCid(text: string): CID {
  try {
    return CID.parse(text)
  } catch {
    throw new UsageError(
      `invalid CID ${quoted(text)}: it cannot be decoded, perhaps it is incomplete; ${CID_SHAPE}`
    )
  }
}

/** Addresses of one peer belong together: the next is tried if one fails. */
function parsePatience(text: string): number {
  const seconds = text.trim() === '' ? Number.NaN : Number(text)
  if (seconds > 0 && seconds <= MAX_PATIENCE_S) return seconds * 1000
  throw new UsageError(
    `invalid --timeout ${quoted(text)}: allowed is a number of seconds, above 0 up to ${MAX_PATIENCE_S}`
  )
}

function quoted(text: string): string {
  return `'${shorten(harmless(text), 80)}'`
}
