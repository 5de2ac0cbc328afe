import type { NodeOptions } from '../../relay/index.ts'
import type { SecureBuffer } from '../../relay/secrets/secure-buffer.ts'
import { setUpTls, type TlsOptions } from '../../relay/tls/tls-options.ts'
import type { ConfigFile } from './config-file.ts'
import { ConfigObject } from './config-object.ts'
import { onlyGiven } from './only-given.ts'
import { readTls, tlsNames } from './tls-config.ts'

const nodeNames = ['address', 'username', 'password', 'passwordFile', 'cookieFile', 'tls']

/** A node of a config file. */
export type ConfiguredNode = Partial<NodeOptions> & { readonly address: string }

/**
 * Reads a node: its address, or an object.
 *
 * @param allTls - what its TLS options go over
 * @throws ConfigError
 */
export async function readNode(
  file: ConfigFile,
  key: string,
  given: unknown,
  allTls: Partial<TlsOptions>
): Promise<ConfiguredNode> {
  if (typeof given === 'string') return { address: given }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw file.error(key, `the address of a node, or an object with ${nodeNames.join(', ')}`)
  const config = new ConfigObject(file, key, given, nodeNames)
  const address = config.given('address')
  if (typeof address !== 'string')
    throw file.error(`${key}.address`, "a text such as 'https://host:port/path'")
  const username = config.given('username') as string | undefined
  const cookieFile = config.fileName('cookieFile')
  return {
    address,
    ...onlyGiven<NodeOptions>({
      username,
      password: await readPassword(config),
      cookieFile: cookieFile && file.locate(cookieFile),
      tls: await readNodeTls(config, allTls)
    })
  }
}

async function readNodeTls(
  config: ConfigObject,
  allTls: Partial<TlsOptions>
): Promise<Partial<TlsOptions> | undefined> {
  const given = config.object('tls', tlsNames)
  if (given === undefined) return undefined
  const tls = await readTls(given)
  config.file.checked('', () => setUpTls({ ...allTls, ...tls }, given.key))
  return tls
}

/** From a file it goes where it is shown only while it is needed. */
async function readPassword(config: ConfigObject): Promise<string | SecureBuffer | undefined> {
  const { file } = config
  const password = config.given('password')
  if (password !== undefined && typeof password !== 'string')
    throw file.error(config.keyOf('password'), 'a text')
  const inFile = await config.secret('passwordFile')
  if (password !== undefined && inFile !== undefined)
    throw file.error(config.keyOf('passwordFile'), 'nothing beside password')
  return inFile ?? password
}
