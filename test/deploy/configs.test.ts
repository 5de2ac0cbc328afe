import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ServeConfigFile } from '../../src/cli/serve/serve-config.ts'
import { textOf } from './support/files.ts'

/** What stands for the secrets that configs name. */
const secrets = {
  token: 'something-nobody-guesses\n',
  webhook: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=\n',
  'server.crt': 'a certificate',
  'server.key': 'a key',
  'clients.crt': 'certificates'
}

/** Reads a config as `serve` does, with secrets in a directory of their own. */
async function read(text: string): Promise<ServeConfigFile> {
  const directory = await mkdtemp(join(tmpdir(), 'deploy-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  for (const [name, content] of Object.entries(secrets)) await writeFile(join(directory, name), content)
  const path = join(directory, 'config.json')
  await writeFile(path, text.replaceAll(/"\/run\/secrets\/(?:bitswap-protection\/)?/g, '"'))
  const file = await ServeConfigFile.read(path)
  onTestFinished(() => file[Symbol.dispose]())
  return file
}

test.each(['docker/config.json', 'kubernetes/config.json', 'config.example.json'])(
  'serve takes %s',
  async path => {
    const { config } = await read(textOf(`deploy/${path}`))
    expect(config).toMatchObject({
      directory: '/var/lib/bitswap-protection',
      node: { listen: ['/ip4/0.0.0.0/tcp/4001'] },
      protection: { mode: 'enforce' },
      server: { host: '0.0.0.0', port: 8080, authToken: secrets.token.trim() },
      audit: { file: '/var/lib/bitswap-protection/audit.jsonl' },
      shutdown: { drainTimeoutMs: 60_000, forceTimeoutMs: 120_000 }
    })
  }
)

test('serve does not take what it does not know', async () => {
  const text = textOf('deploy/docker/config.json').replace('"listen"', '"listens"')
  await expect(read(text)).rejects.toThrow('listens')
})
