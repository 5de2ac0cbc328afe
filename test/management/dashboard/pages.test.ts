import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import { type ManagementOptions, ManagementServer } from '../../../src/management/index.ts'
import { createNode } from '../support/managed.ts'

const TOKEN = 'a-token-of-some-length'
const FOLDER = new URL('../../../src/management/dashboard/', import.meta.url)

const stack: AsyncDisposable[] = []

afterEach(async () => {
  while (stack.length > 0) await stack.pop()![Symbol.asyncDispose]()
})

async function start(options: Partial<ManagementOptions> = {}, managed = {}) {
  const server = new ManagementServer(managed, { port: 0, authToken: TOKEN, ...options })
  stack.push(server)
  await server.start()
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(server.url + path, { headers, redirect: 'manual' })
    return { status: response.status, headers: response.headers, body: await response.text() }
  }
  return { server, ask }
}

/** Sends a path as it is, which `fetch` would put in order, and returns the status. */
async function statusOf(server: ManagementServer, path: string, host = '127.0.0.1'): Promise<number> {
  const { hostname, port } = new URL(server.url!)
  const socket = connect(Number(port), hostname)
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
  return Number((await text(socket)).split(' ')[1])
}

const files = readdirSync(FOLDER).filter(name => name !== 'tsconfig.json')
const types = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml'
}

describe('the dashboard', () => {
  test('is there without a token', async () => {
    const { status, headers, body } = await (await start()).ask('/')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe(types.html)
    expect(body).toBe(readFileSync(new URL('index.html', FOLDER), 'utf8'))
  })

  test.each(['/dashboard', '/dashboard/', '/dashboard?a/', '/dashboard/?a'])(
    'is found from %s',
    async path => {
      const { server, ask } = await start()
      const { status, headers } = await ask(path)
      expect(status).toBe(302)
      const target = new URL(headers.get('location')!, server.url + path)
      expect(target.href).toBe(`${server.url}/`)
    }
  )

  test.each(files)('has %s, with its type', async name => {
    const { status, headers, body } = await (await start()).ask(`/dashboard/${name}`)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe(types[name.split('.').at(-1) as keyof typeof types])
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(body).toBe(readFileSync(new URL(name, FOLDER), 'utf8'))
  })

  test('lets browsers keep its files, and ask whether they are as before', async () => {
    const { ask } = await start()
    for (const path of ['/', '/dashboard/dashboard.js']) {
      const { headers } = await ask(path)
      const etag = headers.get('etag')!
      expect(headers.get('cache-control')).toBe('no-cache')
      expect(etag).toMatch(/^"[\w-]{43}"$/)
      const again = await ask(path, { 'if-none-match': `"other", ${etag}` })
      expect([again.status, again.body, again.headers.get('etag')]).toEqual([304, '', etag])
      expect((await ask(path, { 'if-none-match': '"other"' })).status).toBe(200)
    }
  })

  test('runs and shows nothing but its own files, in no frame', async () => {
    const { ask } = await start()
    for (const path of ['/', '/dashboard/dashboard.js']) {
      const policy = (await ask(path)).headers.get('content-security-policy')!
      expect(policy).toContain("default-src 'self'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).toContain("require-trusted-types-for 'script'")
      expect(policy).not.toMatch(/unsafe|https?:|data:|\*/)
    }
    const { body } = await ask('/')
    expect(body).not.toMatch(/<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|https?:/)
  })

  test('loads only what is there', () => {
    for (const name of files.filter(each => each.endsWith('.js'))) {
      const source = readFileSync(new URL(name, FOLDER), 'utf8')
      for (const [, imported] of source.matchAll(/^(?:import|export) .*from '(.+)'$/gm))
        expect(files).toContain(imported!.replace('./', ''))
    }
  })

  test.each([
    '/dashboard/nothing.js',
    '/dashboard/tsconfig.json',
    '/dashboard/../../package.json',
    '/dashboard/..%2f..%2f..%2fpackage.json',
    '/dashboard/%2e%2e/management-server.ts',
    '/dashboard/..%5cmanagement-server.ts',
    '/dashboard/%00',
    '/dashboard//etc/passwd',
    '/dashboard/__proto__',
    '/docs/static/nothing.js',
    '/docs/static/..%2f..%2fpackage.json'
  ])('has no %s', async path => {
    const { server } = await start()
    const status = await statusOf(server, path)
    expect([400, 403, 404]).toContain(status)
  })

  test('has no data in it', async () => {
    const { node, protection } = createNode()
    protection.isolate('peer-that-is-isolated')
    const { ask } = await start({ serviceName: 'a-service-of-somebody' }, { bitswap: node })
    for (const path of ['/', ...files.map(name => `/dashboard/${name}`), '/docs']) {
      const { body } = await ask(path)
      for (const secret of [TOKEN, 'peer-that-is-isolated', 'a-service-of-somebody'])
        expect(body).not.toContain(secret)
    }
  })

  test('without a token is told only to those on this machine', async () => {
    const { server } = await start({ authToken: undefined })
    for (const path of ['/', '/dashboard', '/dashboard/dashboard.js', '/docs', '/docs/json']) {
      expect(await statusOf(server, path, 'rebound.example')).toBe(421)
      expect(await statusOf(server, path, 'localhost:9090')).toBe(path === '/dashboard' ? 302 : 200)
    }
    expect(await statusOf(server, '/docs/static/swagger-ui.css', 'rebound.example')).toBe(421)
  })
})

describe('the documentation', () => {
  test('is shown without a token, from this server alone', async () => {
    const { ask } = await start()
    const { status, headers, body } = await ask('/docs')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(headers.get('content-security-policy')).toContain("default-src 'self'")
    expect(headers.get('content-security-policy')).not.toMatch(/unsafe|https?:/)
    expect(body).not.toMatch(/https?:/)
    for (const file of ['swagger-ui-bundle.js', 'swagger-ui.css', 'swagger-initializer.js'])
      expect((await ask(`/docs/static/${file}`)).status).toBe(200)
  })

  test.each(['/docs/json', '/docs/yaml'])('needs the token for %s', async path => {
    const { ask } = await start()
    expect((await ask(path)).status).toBe(401)
    expect((await ask(path, { 'x-auth-token': `${TOKEN}x` })).status).toBe(401)
    const { status, body } = await ask(path, { 'x-auth-token': TOKEN })
    expect(status).toBe(200)
    expect(body).toContain('/api/v1/bitswap/isolate')
  })

  test('says that the token is needed, and leaves out pages', async () => {
    const { ask } = await start()
    const { paths, security, components } = JSON.parse(
      (await ask('/openapi.json', { 'x-auth-token': TOKEN })).body
    )
    expect(security).toEqual([{ token: [] }])
    expect(components.securitySchemes.token).toEqual({ type: 'apiKey', in: 'header', name: 'X-Auth-Token' })
    const pages = Object.keys(paths).filter(path => path === '/' || /^\/(docs|dashboard)/.test(path))
    expect(pages).toEqual([])
  })
})
