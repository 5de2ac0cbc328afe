import type { TlsOptions } from '../../relay/tls/tls-options.ts'
import { readRoots } from '../../relay/tls/trusted-roots.ts'
import type { ConfigObject } from './config-object.ts'
import { onlyGiven } from './only-given.ts'

/** What there is to say about TLS, of all nodes or of one. */
export const tlsNames: readonly string[] = [
  'serverName',
  'roots',
  'pins',
  'certificateFile',
  'keyFile',
  'passphraseFile',
  'alpnProtocols',
  'connectTimeout'
]

/** Reads the files it names. Whether all that fits together is not looked at yet. @throws ConfigError */
export async function readTls(config: ConfigObject): Promise<Partial<TlsOptions>> {
  return onlyGiven<TlsOptions>({
    serverName: config.given('serverName') as string | undefined,
    roots: await readRootFiles(config),
    pins: config.given('pins') as readonly string[] | undefined,
    certificate: await config.fileContent('certificateFile'),
    key: await config.secret('keyFile'),
    passphrase: await config.secret('passphraseFile'),
    alpnProtocols: config.given('alpnProtocols') as readonly string[] | undefined,
    connectTimeoutMs: config.durationMs('connectTimeout')
  })
}

async function readRootFiles(config: ConfigObject): Promise<TlsOptions['roots'] | undefined> {
  const given = config.given('roots')
  if (given === undefined || given === 'system') return given
  const { file } = config
  const key = config.keyOf('roots')
  if (!Array.isArray(given) || given.length === 0)
    throw file.error(key, "'system', or a list of files with certificates as PEM")
  const texts: string[] = []
  for (const [index, path] of given.entries()) {
    if (typeof path !== 'string') throw file.error(`${key}[${index}]`, 'the name of a file')
    const text = await file.readNamed(`${key}[${index}]`, path)
    if (readRoots([text]).certificates.length === 0)
      throw file.error(`${key}[${index}]`, 'a file with at least one certificate as PEM that can be read')
    texts.push(text)
  }
  return texts
}
