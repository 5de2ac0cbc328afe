import { spawnSync } from 'node:child_process'
import { accessSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the program. */
    readonly btcd: string
    /** Path of the program. */
    readonly electrumx: string
    /** Path of the program. */
    readonly stunnel: string
    /** Path of the program. */
    readonly haproxy: string
    /** Path of the program. */
    readonly prometheus: string
    /** Folder for what programs are told, and for what they keep. */
    readonly relayFolder: string
  }
}

const GO = 'go'

const relay = join(import.meta.dirname, '..')
const root = join(relay, '../../..')

/** Where systems have programs that are started by themselves; often not looked through. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin']

/** Finds the programs of the rig, which `.ci/provide-relay-parts` installs. */
export default function provide(project: TestProject): () => void {
  existing(join(relay, 'bcoin/node_modules/bcoin'))
  project.provide('btcd', btcd())
  project.provide('electrumx', existing(join(root, 'node_modules/.cache/electrumx/bin/electrumx_server')))
  project.provide('stunnel', program('stunnel'))
  project.provide('haproxy', program('haproxy'))
  project.provide('prometheus', program('prometheus'))
  const folder = mkdtempSync(join(tmpdir(), 'relay-'))
  project.provide('relayFolder', folder)
  return () => rmSync(folder, { recursive: true })
}

/** Where Go keeps the program, built once. */
function btcd(): string {
  const parameters = ['tool', '-n', 'btcd']
  const { status, stdout } = spawnSync(GO, parameters, { cwd: join(relay, 'btcd'), encoding: 'utf8' })
  return status === 0 ? stdout.trim() : missing('btcd')
}

function program(name: string): string {
  const { PATH = '' } = process.env
  const folders = [...PATH.split(delimiter), ...SYSTEM_FOLDERS]
  return folders.map(folder => join(folder, name)).find(exists) ?? missing(name)
}

function existing(path: string): string {
  return exists(path) ? path : missing(path)
}

function exists(path: string): boolean {
  try {
    accessSync(path)
    return true
  } catch {
    return false
  }
}

function missing(what: string): never {
  throw new Error(`${what} is missing: run .ci/provide-relay-parts, which installs what these tests need`)
}
