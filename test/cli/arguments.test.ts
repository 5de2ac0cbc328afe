import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import { readArguments } from '../../src/cli/arguments.ts'
import { UsageError } from '../../src/cli/command-error.ts'
import { type FetchArguments, fetchRequest } from '../../src/cli/fetch-request.ts'
import { nearest } from '../../src/cli/nearest.ts'

const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const OTHER_PEER = '12D3KooWKJ8DdjEP5TVZmQkrfcAQb1Kdq3LTkq4z9KCgBQBpWoMo'
const ADDRESS = `/ip4/192.0.2.1/tcp/4001/p2p/${PEER}`
const FILE = 'bafybeihyr4s57jjywzekxhfjgujbaxgx5x57fyzliqk2xa5la6q5ja6chm'

/** The message of the UsageError that comes of it. */
function complaint(cause: () => unknown): string {
  try {
    cause()
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError)
    const { message } = error as UsageError
    expect(message).not.toContain('\n')
    return message
  }
  throw new Error('No error')
}

describe('options', () => {
  const options = {
    peer: { type: 'string', short: 'p', multiple: true },
    json: { type: 'boolean' }
  } as const

  test('are read in all their forms', () => {
    const { values, positionals } = readArguments(['-p', 'a', '--peer=b', '--json', 'c', '--', '-d'], options)
    expect(values).toEqual({ peer: ['a', 'b'], json: true })
    expect(positionals).toEqual(['c', '-d'])
  })

  test('a value may begin with a dash if it is said to be one', () => {
    expect(readArguments(['--peer=-a', '-p', '-'], options).values.peer).toEqual(['-a', '-'])
  })

  test.each([
    [['--pear', 'x'], 'unknown option --pear; did you mean --peer?'],
    [['--verbose'], 'unknown option --verbose; there are --peer, --json'],
    [['-x'], 'unknown option -x; there are --peer, --json'],
    [['--no-json'], 'unknown option --no-json; there are --peer, --json'],
    [['--peer'], 'option --peer needs a value'],
    [['-p', '--json'], 'option -p needs a value'],
    [['--peer='], 'option --peer needs a value'],
    [['--json=yes'], "option --json takes no value, but got 'yes'"]
  ])('%j: %s', (args, message) => {
    expect(complaint(() => readArguments(args, options))).toBe(message)
  })
})

describe('nearest', () => {
  test.each([
    ['fech', 'fetch'],
    ['ftech', 'fetch'],
    ['dmo', 'demo'],
    ['Fetch', 'fetch'],
    ['delete', undefined],
    ['', undefined]
  ])('%j is probably %j', (typed, meant) => {
    expect(nearest(typed, ['fetch', 'demo'])).toBe(meant)
  })
})

describe('a request to fetch', () => {
  const good: FetchArguments = { positionals: [FILE], peers: [ADDRESS], output: undefined, timeout: '30' }

  test('says what to fetch, from whom and where to', () => {
    const request = fetchRequest({ ...good, output: 'file', timeout: '0.5' })
    expect(request.cid.toString()).toBe(FILE)
    expect(request.providers.map(({ peerId }) => peerId)).toEqual([PEER])
    expect(request).toMatchObject({ outputPath: 'file', patienceMs: 500 })
    expect(fetchRequest({ ...good, output: '-' }).outputPath).toBeUndefined()
  })

  test.each([`ipfs://${FILE}`, `/ipfs/${FILE}`, 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'])(
    'takes %s',
    text => {
      expect(fetchRequest({ ...good, positionals: [text] }).cid).toBeInstanceOf(CID)
    }
  )

  test('addresses of one peer belong together, and the same one counts once', () => {
    const second = `/dns4/example.org/tcp/4001/p2p/${PEER}`
    const other = `/ip6/::1/tcp/4001/p2p/${OTHER_PEER}`
    const { providers } = fetchRequest({ ...good, peers: [ADDRESS, other, second, ADDRESS] })
    expect(providers.map(({ multiaddrs }) => multiaddrs.map(String))).toEqual([[ADDRESS, second], [other]])
  })

  test.each([
    [[], 'which file?'],
    [['a', 'b'], "one CID at a time, but got 2: 'a', 'b'"],
    [['abc'], "invalid CID 'abc': it cannot be decoded"],
    [[FILE.slice(0, 20)], 'it cannot be decoded, perhaps it is incomplete'],
    [[''], "invalid CID ''"],
    [[PEER], 'that is a peer id'],
    [[ADDRESS], 'that is an address or a path'],
    [[`${FILE}/a.txt`], 'paths below a CID are not supported'],
    [['bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'], 'is of dag-cbor; only files'],
    [['\x1b[31mred'], "invalid CID 'red'"]
  ])('is refused for CID %j', (positionals, message) => {
    expect(complaint(() => fetchRequest({ ...good, positionals }))).toContain(message)
  })

  test('is refused for a hash that cannot be verified', () => {
    const blake = CID.create(1, 0x70, {
      code: 0xb220,
      size: 0,
      digest: new Uint8Array(),
      bytes: Uint8Array.of(0xa0, 0xe4, 2, 0)
    })
    const text = blake.toString()
    expect(complaint(() => fetchRequest({ ...good, positionals: [text] }))).toContain(
      'has a hash of type 0xb220; only sha2-256, sha2-512 and identity can be verified'
    )
  })

  test.each([
    [[], 'from whom?'],
    [['example.org'], "invalid peer 'example.org'"],
    [['/ip4/192.0.2.1/tcp/4001'], 'it must end with /p2p/<peer id>'],
    [['/ip4/192.0.2.300/tcp/4001/p2p/x'], "invalid peer '/ip4/192.0.2.300"],
    [['/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWGC'], "'12D3KooWGC' is no peer id"],
    [[`/ip4/192.0.2.1/udp/4001/quic-v1/p2p/${PEER}`], 'only plain TCP is supported'],
    [[`/ip4/192.0.2.1/tcp/4001/ws/p2p/${PEER}`], 'only plain TCP is supported'],
    [[`/p2p/${PEER}`], 'only plain TCP is supported'],
    [[`${ADDRESS}/p2p-circuit/p2p/${OTHER_PEER}`], 'relayed addresses are not supported'],
    [[`/ip4/192.0.2.1/tcp/0/p2p/${PEER}`], 'nobody can be reached at port 0'],
    [[ADDRESS, 'x'], "invalid peer 'x'"]
  ])('is refused for peers %j', (peers, message) => {
    expect(complaint(() => fetchRequest({ ...good, peers }))).toContain(message)
  })

  test.each(['0', '-1', 'abc', '', ' ', '86401', 'Infinity', 'NaN', '5s'])(
    'is refused for the timeout %j',
    timeout => {
      expect(complaint(() => fetchRequest({ ...good, timeout }))).toBe(
        `invalid --timeout '${timeout.trim()}': allowed is a number of seconds, above 0 up to 86400`
      )
    }
  )
})
