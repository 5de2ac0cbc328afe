import { expect, test } from 'vitest'
import { InvalidOptionError } from '../../src/core/index.ts'
import { parseEndpoint } from '../../src/relay/endpoint.ts'

test.for([
  ['relay.example:443', 'relay.example', 443, 'relay.example:443'],
  ['Relay.EXAMPLE:8332', 'relay.example', 8332, 'relay.example:8332'],
  ['localhost:1', 'localhost', 1, 'localhost:1'],
  ['a_b.example:65535', 'a_b.example', 65535, 'a_b.example:65535'],
  ['127.0.0.1:443', '127.0.0.1', 443, '127.0.0.1:443'],
  ['[::1]:443', '::1', 443, '[::1]:443'],
  ['[2001:DB8::1]:443', '2001:db8::1', 443, '[2001:db8::1]:443']
] as const)('%s is an endpoint', ([text, host, port, key]) => {
  expect(parseEndpoint(text)).toEqual({ host, port, key })
})

test.for([
  '',
  'relay.example',
  'relay.example:',
  ':443',
  'relay.example:0',
  'relay.example:65536',
  'relay.example:443/',
  'relay.example:4 3',
  'https://relay.example:443',
  'user@relay.example:443',
  ' relay.example:443',
  'relay..example:443',
  '-relay.example:443',
  `${'a'.repeat(64)}.example:443`,
  `${'a.'.repeat(127)}a:443`,
  '256.1.1.1:443',
  '1.2.3:443',
  '::1:443',
  '[::1]',
  '[::g]:443',
  '[127.0.0.1]:443',
  'rélay.example:443',
  undefined,
  443
])('%s is none', text => {
  expect(() => parseEndpoint(text as string)).toThrow(InvalidOptionError)
})

test('the error names the option and the value', () => {
  expect(() => parseEndpoint('here', 'backups[1]')).toThrow(
    expect.objectContaining({ option: 'backups[1]', value: 'here' })
  )
})
