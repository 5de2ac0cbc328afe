import { expect, test } from 'vitest'
import { BITSWAP, BITSWAP_PROTOCOLS, isBitswap, PING } from '../../src/bitswap/protocols.ts'

test.each(BITSWAP_PROTOCOLS)('%s is Bitswap', protocol => {
  expect(isBitswap([protocol])).toBe(true)
})

test('all versions there are, are known, newest first', () => {
  expect(BITSWAP_PROTOCOLS).toEqual([
    '/ipfs/bitswap/1.2.0',
    '/ipfs/bitswap/1.1.0',
    '/ipfs/bitswap/1.0.0',
    '/ipfs/bitswap'
  ])
  expect(BITSWAP).toBe(BITSWAP_PROTOCOLS[0])
  expect(Object.isFrozen(BITSWAP_PROTOCOLS)).toBe(true)
})

test('several versions at once are Bitswap', () => {
  expect(isBitswap(['/ipfs/bitswap/1.1.0', '/ipfs/bitswap/1.2.0'])).toBe(true)
})

test.each([
  ['nothing', []],
  ['ping', [PING]],
  ['something else beside it', [BITSWAP, PING]],
  ['a longer name', ['/ipfs/bitswap/1.2.0/x']],
  ['a version that does not exist', ['/ipfs/bitswap/9.0.0']],
  ['another network’s', ['/my/ipfs/bitswap/1.2.0']],
  ['no name at all', ['']]
])('%s is not', (_what, protocols) => {
  expect(isBitswap(protocols)).toBe(false)
})
