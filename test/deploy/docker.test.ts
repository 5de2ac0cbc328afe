import { describe, expect, test } from 'vitest'
import { parseDuration } from '../../src/cli/config/duration.ts'
import { jsonOf, type Plain, textOf, yamlOf } from './support/files.ts'

const manifest = jsonOf('package.json')

/** Instructions of the Dockerfile, each on a line of its own, without comments. */
const instructions = textOf('deploy/docker/Dockerfile')
  .split('\n')
  .filter(line => !line.startsWith('#'))
  .join('\n')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .map(line => line.trim())
  .filter(line => line !== '')

/** What stands behind an instruction, each time it is given. */
function all(name: string): string[] {
  return instructions
    .filter(line => line.startsWith(`${name} `))
    .map(line => line.slice(name.length + 1).trim())
}

/** What stands behind the last instruction of that name: it is the one that counts. */
function last(name: string): string {
  return all(name).at(-1)!
}

describe('image', () => {
  test('Node is the one that tests run on', () => {
    const [base, ...others] = all('FROM')
    expect(base).toBe(`node:${manifest.devDependencies.node}-bookworm-slim AS base`)
    expect(others).toEqual(['base AS build', 'base'])
  })

  test('it starts what the package calls its command', () => {
    expect(JSON.parse(last('ENTRYPOINT'))).toEqual(['node', `/app/${manifest.bin['bitswap-protection']}`])
    expect(JSON.parse(last('CMD'))).toEqual(['serve', '--config', '/etc/bitswap-protection/config.json'])
    expect(last('WORKDIR')).toBe('/app')
    expect(last('STOPSIGNAL')).toBe('SIGTERM')
  })

  test('what runs is not root, and told by its number', () => {
    const [user, group] = last('USER').split(':').map(Number)
    expect(user).toBeGreaterThan(0)
    expect(group).toBeGreaterThan(0)
    const order = ['RUN install', 'USER', 'VOLUME', 'ENTRYPOINT'].map(name =>
      instructions.findLastIndex(line => line.startsWith(name))
    )
    expect(order).toEqual(order.toSorted((one, other) => one - other))
    expect(order[0]).toBeGreaterThan(0)
    expect(all('RUN').at(-1)).toContain(`-o ${user} -g ${group} /var/lib/bitswap-protection`)
  })

  test('its version and license are those of the package', () => {
    const labels = last('LABEL')
    expect(labels).toContain(`image.version="${manifest.version}"`)
    expect(labels).toContain(`image.licenses="${manifest.license}"`)
    expect(labels).toContain(`image.title="${manifest.name}"`)
  })

  test('health is asked for where the config has the server listen', () => {
    const { server, node } = jsonOf('deploy/docker/config.json')
    expect(new URL(/HEALTH_URL=(\S+)/.exec(all('ENV').join(' '))![1]!).port).toBe(String(server.port))
    const [, peers] = /\/tcp\/(\d+)$/.exec(node.listen[0])!
    expect(last('EXPOSE')).toBe(`${server.port} ${peers}`)
    expect(last('HEALTHCHECK')).toContain('process.env.HEALTH_URL')
  })

  test('dependencies are those of the lockfile, and no script of a package runs', () => {
    const [install, build] = all('RUN')
    expect(install).toMatch(/^npm ci .*--ignore-scripts/)
    expect(build).toMatch(/npm run build && npm prune --omit=dev --omit=peer --ignore-scripts/)
  })

  test('all that is copied gets into the build, and nothing else does', () => {
    const [everything, ...kept] = textOf('deploy/docker/Dockerfile.dockerignore')
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
    expect(everything).toBe('*')
    const copied = all('COPY')
      .filter(each => !each.startsWith('--from'))
      .flatMap(each => each.split(' ').slice(0, -1))
    expect(kept.map(each => each.replace(/^!/, '')).toSorted()).toEqual([...new Set(copied)].toSorted())
  })
})

describe('compose', () => {
  const { services, secrets, volumes } = yamlOf('deploy/docker/compose.yaml')
  const service = services['bitswap-protection']
  const config = jsonOf('deploy/docker/config.json')

  test('nobody may write to his image, nor get rights he has not', () => {
    for (const [name, each] of Object.entries<Plain>(services)) {
      expect(each.read_only, name).toBe(true)
      expect(each.cap_drop, name).toEqual(['ALL'])
      expect(each.cap_add, name).toBeUndefined()
      expect(each.privileged, name).toBeUndefined()
      expect(each.security_opt, name).toEqual(['no-new-privileges:true'])
      expect(each.mem_limit, name).toMatch(/^\d+[mg]$/)
    }
  })

  test('images of others have a version', () => {
    for (const { image } of Object.values<Plain>(services)) expect(image).toMatch(/:v?\d+\.\d+\.\d+$/)
    expect(service.image).toBe(`${manifest.name}:${manifest.version}`)
  })

  test('only peers get in from outside', () => {
    const open = Object.values<Plain>(services)
      .flatMap(({ ports }) => ports as string[])
      .filter(port => !port.startsWith('127.0.0.1:'))
    expect(open).toEqual(['4001:4001'])
  })

  test('it is given more time to end than it takes', () => {
    expect(parseDuration(service.stop_grace_period)).toBeGreaterThan(
      parseDuration(config.shutdown.forceTimeout)!
    )
  })

  test('what the config names is there, and what is written is on a volume', () => {
    const mounts = service.volumes.map((each: string) => each.split(':'))
    expect(mounts).toContainEqual(['./config.json', '/etc/bitswap-protection/config.json', 'ro'])
    expect(service.secrets.map((name: string) => `/run/secrets/${name}`)).toContain(
      config.server.authTokenFile
    )
    const [, state] = mounts.find(([name]: string[]) => name === 'state')
    expect(last('VOLUME')).toBe(JSON.stringify([state]))
    expect(config.directory).toBe(state)
  })

  test('secrets and volumes are those that are used', () => {
    const used = Object.values<Plain>(services)
    expect(new Set(used.flatMap(each => each.secrets))).toEqual(new Set(Object.keys(secrets)))
    const named = used.flatMap(each => each.volumes.map((volume: string) => volume.split(':')[0]))
    expect(named.filter(name => !name.startsWith('.')).toSorted()).toEqual(Object.keys(volumes).toSorted())
  })
})
