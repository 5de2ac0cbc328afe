import { spawnSync } from 'node:child_process'
import { accessSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where systems have programs that are started by themselves; often not looked through. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin']

const BCOIN = join(import.meta.dirname, '../../test/interop/relay/bcoin/node_modules/bcoin')

/** What failovers are measured with. */
export interface Parts {
  /** Path of HAProxy. */
  readonly haproxy: string
  /** Of HAProxy and bcoin, to be shown. */
  readonly versions: string
}

/** What is there of it, or what is missing, in words. */
export function findParts(): Parts | string {
  const { PATH = '' } = process.env
  const folders = [...PATH.split(delimiter), ...SYSTEM_FOLDERS]
  const haproxy = folders.map(folder => join(folder, 'haproxy')).find(exists)
  if (haproxy !== undefined && exists(BCOIN)) return { haproxy, versions: versions(haproxy) }
  const missing = [exists(BCOIN) ? [] : 'bcoin', haproxy === undefined ? 'HAProxy' : []].flat()
  return `missing: ${missing.join(', ')}; .ci/provide-relay-parts installs what is needed`
}

function versions(haproxy: string): string {
  const { stdout } = spawnSync(haproxy, ['-v'], { encoding: 'utf8' })
  const { version } = JSON.parse(readFileSync(join(BCOIN, 'package.json'), 'utf8')) as {
    readonly version: string
  }
  return `HAProxy ${/version (\S+)/.exec(stdout)?.[1] ?? 'unknown'}, bcoin ${version}`
}

function exists(path: string): boolean {
  try {
    accessSync(path)
    return true
  } catch {
    return false
  }
}
