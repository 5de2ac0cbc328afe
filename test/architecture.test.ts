import { globSync, readFileSync } from 'node:fs'
import { posix, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { parseAst } from 'vitest/node'

// The rules of docs/ARCHITECTURE.md about who may import whom and who may touch time and chance, read off the
// syntax tree of each source, so that neither comments nor strings are taken for code.

interface Layer {
  /** Folders of src it may import from, besides itself. */
  readonly folders: readonly string[]
  readonly packages: RegExp
  /** Packages of which it may import types only. */
  readonly types?: RegExp
}

/** The folders of src. One not named here may not exist; not all of these exist yet. */
const layers: Readonly<Record<string, Layer>> = {
  core: { folders: [], packages: /^hdr-histogram-js$/ },
  bitswap: {
    folders: ['core'],
    packages:
      /^(@libp2p\/.+|@multiformats\/.+|multiformats(\/.+)?|protons-runtime|interface-datastore|node:perf_hooks)$/,
    types: /^(helia|@helia\/.+)$/
  },
  relay: {
    folders: ['core'],
    packages:
      /^(node:(tls|net|stream|crypto|fs|fs\/promises)|hdr-histogram-js|undici|rate-limiter-flexible|sodium-native)$/
  },
  telemetry: { folders: ['core'], packages: /^(prom-client|standardwebhooks|node:fs|node:fs\/promises)$/ },
  management: {
    folders: ['core', 'telemetry'],
    packages:
      /^(fastify|helmet|@fastify\/.+|typebox(\/.+)?|lru-cache|eventsource-parser(\/.+)?|prom-client|node:(crypto|http|stream|fs\/promises))$/
  },
  // The command: nobody imports it, so it has no export.
  cli: { folders: ['core', 'bitswap', 'relay', 'telemetry', 'management'], packages: /./ },
  // The package index, src/index.ts.
  '.': { folders: ['core', 'bitswap'], packages: /^$/ }
}

/** Names of time, chance and the world outside: in core only for the clock. */
const impureNames = new Set([
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'crypto'
])

interface Import {
  readonly specifier: string
  readonly isTypeOnly: boolean
}

interface Source {
  /** From src, with slashes. */
  readonly path: string
  readonly layer: string
  readonly imports: readonly Import[]
  readonly impurities: readonly string[]
}

/** A node of the syntax tree, as far as the rules look at it. */
interface SyntaxNode {
  readonly type: string
  readonly name?: string
  readonly value?: unknown
  readonly source?: SyntaxNode | null
  readonly object?: SyntaxNode
  readonly property?: SyntaxNode
  readonly computed?: boolean
  readonly importKind?: string
  readonly exportKind?: string
}

function read(path: string, text: string): Source {
  const nodes = [...walk(parseAst(text, { lang: 'ts' }) as unknown as SyntaxNode)]
  const folder = posix.dirname(path).split('/')[0]!
  return { path, layer: folder, imports: nodes.flatMap(readImport), impurities: nodes.flatMap(readImpurity) }
}

function* walk(value: unknown): Generator<SyntaxNode> {
  if (typeof value !== 'object' || value === null) return
  if ('type' in value && typeof value.type === 'string') {
    const node = value as SyntaxNode
    if (isPureMath(node)) return
    yield node
  }
  for (const child of Object.values(value)) yield* walk(child)
}

function readImport(node: SyntaxNode): Import[] {
  if (!/^(Import(Declaration|Expression)|Export(All|Named)Declaration|TSImportType)$/.test(node.type))
    return []
  if (node.source === undefined || node.source === null) return []
  const isTypeOnly = node.type === 'TSImportType' || (node.importKind ?? node.exportKind) === 'type'
  const { value } = node.source
  return [{ specifier: typeof value === 'string' ? value : '(computed)', isTypeOnly }]
}

/** Any mention of an impure name counts, also as a property: `globalThis.Date` is no way round. */
function readImpurity({ type, name }: SyntaxNode): string[] {
  if (type !== 'Identifier') return []
  return impureNames.has(name!) ? [name!] : name === 'Math' ? ['Math.random'] : []
}

/** `Math.floor` and the like: the only way to mention Math that cannot lead to `Math.random`. */
function isPureMath({ type, object, property, computed }: SyntaxNode): boolean {
  return type === 'MemberExpression' && object!.name === 'Math' && !computed && property!.name !== 'random'
}

function target({ path }: Source, specifier: string): string {
  return posix.join(posix.dirname(path), specifier)
}

function layerViolation(source: Source, { specifier, isTypeOnly }: Import): string | undefined {
  const layer = layers[source.layer]
  if (layer === undefined) return undefined
  if (specifier === packageName || specifier.startsWith(`${packageName}/`)) return 'the package itself'
  if (!specifier.startsWith('.')) {
    const isAllowed = layer.packages.test(specifier) || (isTypeOnly && layer.types?.test(specifier))
    return isAllowed ? undefined : specifier
  }
  const imported = target(source, specifier)
  if (imported === 'index.ts') return 'the package index'
  const folder = posix.dirname(imported).split('/')[0]!
  return folder === source.layer || layer.folders.includes(folder) ? undefined : imported
}

/** One import cycle of what remains at run time, if there is any. */
function findCycle(sources: readonly Source[]): string[] | undefined {
  const byPath = new Map(sources.map(source => [source.path, source]))
  const done = new Set<string>()
  function visit(path: string, trail: readonly string[]): string[] | undefined {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    const source = byPath.get(path)
    if (source === undefined || done.has(path)) return undefined
    for (const { specifier, isTypeOnly } of source.imports) {
      if (isTypeOnly || !specifier.startsWith('.')) continue
      const cycle = visit(target(source, specifier), [...trail, path])
      if (cycle !== undefined) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const { path } of sources) {
    const cycle = visit(path, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

function exportViolations(sources: readonly Source[], exported: readonly string[]): string[] {
  const folders = [...new Set(sources.map(source => source.layer))]
  const subpaths = exported.filter(subpath => subpath !== './package.json').map(posix.normalize)
  return [
    ...folders
      .filter(folder => folder !== 'cli' && !subpaths.includes(folder))
      .map(folder => `${folder}: has no subpath export`),
    ...subpaths
      .filter(subpath => !sources.some(({ path }) => path === posix.join(subpath, 'index.ts')))
      .map(subpath => `${subpath}: exported, but no folder of src with an index`)
  ]
}

/** Everything in `files` (path from src to text) that breaks a rule. */
function violations(files: Readonly<Record<string, string>>, exported: readonly string[]): string[] {
  const sources = Object.entries(files).map(([path, text]) => read(path, text))
  const found = exportViolations(sources, exported)
  for (const source of sources) {
    const { path, layer, imports, impurities } = source
    if (!Object.hasOwn(layers, layer)) found.push(`${path}: ${layer} is no known layer`)
    if (layer === '.' && path !== 'index.ts') found.push(`${path}: only index.ts may be outside a folder`)
    if (/(^|-)(utils?|helpers?)\.ts$/.test(path.split('/').at(-1)!)) found.push(`${path}: names no concept`)
    for (const wrong of imports
      .map(each => layerViolation(source, each))
      .filter(each => each !== undefined)) {
      found.push(`${path}: may not import ${wrong}`)
    }
    if (layer === 'core' && path !== 'core/clock.ts') {
      for (const name of new Set(impurities)) found.push(`${path}: only core/clock.ts may touch ${name}`)
    }
  }
  const cycle = findCycle(sources)
  return cycle === undefined ? found : [...found, `import cycle: ${cycle.join(' -> ')}`]
}

const root = resolve(import.meta.dirname, '..')
const { name: packageName, exports: packageExports } = JSON.parse(
  readFileSync(resolve(root, 'package.json'), 'utf8')
) as { name: string; exports: Record<string, unknown> }

function readSources(): Record<string, string> {
  const paths = globSync('**/*.ts', { cwd: resolve(root, 'src') })
  return Object.fromEntries(
    paths.map(path => [path.replaceAll('\\', '/'), readFileSync(resolve(root, 'src', path), 'utf8')])
  )
}

test('src keeps the rules', () => {
  expect(violations(readSources(), Object.keys(packageExports))).toEqual([])
})

test('what was checked is all there is', () => {
  const sources = Object.entries(readSources()).map(([path, text]) => read(path, text))
  expect(sources.length).toBeGreaterThan(20)
  expect(sources.flatMap(source => source.imports).length).toBeGreaterThan(40)
  expect(new Set(sources.find(source => source.path === 'core/clock.ts')?.impurities)).toEqual(
    new Set(['setImmediate', 'performance', 'Date', 'setTimeout', 'Math.random'])
  )
})

test('each subpath export leads to the index of its folder', () => {
  for (const [subpath, conditions] of Object.entries(packageExports)) {
    if (subpath === './package.json') continue
    const path = posix.join(subpath, 'index')
    expect(conditions).toEqual({
      'bitswap-protection-source': `./src/${path}.ts`,
      types: `./dist/${path}.d.ts`,
      default: `./dist/${path}.js`
    })
  }
})

// A small package that keeps the rules; each case below breaks one of them.
const good = {
  'index.ts': `export * from './core/index.ts'`,
  'core/index.ts': `export { a } from './a.ts'
    import type { B } from './b.ts' // a cycle of types is none at run time
    // import 'node:tls'; Date.now()`,
  'core/a.ts': `import { build } from 'hdr-histogram-js'
    export const a = 'Date, setTimeout' + \`process, import('node:tls')\` + Math.floor(1.5)`,
  'core/b.ts': `import './index.ts'
    export type B = 'process'`,
  'core/clock.ts': 'export const now = () => Date.now() + Math.random()',
  'bitswap/index.ts': `import { a } from '../core/index.ts'
    import type { Helia } from 'helia'
    import { CID } from 'multiformats/cid'
    setTimeout(a, 1)`
}
const goodExports = ['.', './core', './bitswap', './package.json']

test('a package that keeps the rules passes', () => {
  expect(violations(good, goodExports)).toEqual([])
})

const planted: ReadonlyArray<[path: string, text: string, violation: string]> = [
  ['core/x.ts', `import 'node:tls'`, 'may not import node:tls'],
  ['core/x.ts', `import { readFile } from 'node:fs/promises'`, 'may not import node:fs/promises'],
  ['core/x.ts', `const tls = await import('node:tls')`, 'may not import node:tls'],
  ['core/x.ts', 'const tls = await import(name)', 'may not import (computed)'],
  ['core/x.ts', `export type { A } from '@libp2p/interface'`, 'may not import @libp2p/interface'],
  ['core/x.ts', `let a: import('prom-client').A`, 'may not import prom-client'],
  ['core/x.ts', `import 'hdr-histogram-js/wasm'`, 'may not import hdr-histogram-js/wasm'],
  ['core/x.ts', `import '../bitswap/index.ts'`, 'may not import bitswap/index.ts'],
  ['core/deep/x.ts', `import '../../bitswap/index.ts'`, 'may not import bitswap/index.ts'],
  ['core/x.ts', `import '../index.ts'`, 'may not import the package index'],
  ['bitswap/x.ts', `import 'bitswap-protection'`, 'may not import the package itself'],
  ['bitswap/x.ts', `import 'bitswap-protection/core'`, 'may not import the package itself'],
  ['bitswap/x.ts', `import { createHelia } from 'helia'`, 'may not import helia'],
  ['bitswap/x.ts', `import '../../test/support/peers.ts'`, 'may not import ../test/support/peers.ts'],
  ['core/x.ts', 'const now = Date.now()', 'only core/clock.ts may touch Date'],
  ['core/x.ts', `const text = \`\${performance.now()}\``, 'only core/clock.ts may touch performance'],
  ['core/x.ts', 'globalThis.setTimeout(f, 1)', 'only core/clock.ts may touch setTimeout'],
  ['core/x.ts', 'queueMicrotask(f)', 'only core/clock.ts may touch queueMicrotask'],
  ['core/x.ts', 'const chance = Math.random', 'only core/clock.ts may touch Math.random'],
  ['core/x.ts', `const chance = Math['random']()`, 'only core/clock.ts may touch Math.random'],
  ['core/x.ts', 'const { random } = Math', 'only core/clock.ts may touch Math.random'],
  ['core/x.ts', 'const id = crypto.randomUUID()', 'only core/clock.ts may touch crypto'],
  ['core/utils.ts', '', 'names no concept'],
  ['core/string-helper.ts', '', 'names no concept'],
  ['extra.ts', '', 'only index.ts may be outside a folder']
]

test.each(planted)('%s with `%s` is found', (path, text, violation) => {
  expect(violations({ ...good, [path]: text }, goodExports)).toEqual([`${path}: ${violation}`])
})

test('adapters that import each other are found', () => {
  const files = { ...good, 'relay/index.ts': `import '../bitswap/index.ts'` }
  expect(violations(files, [...goodExports, './relay'])).toEqual([
    'relay/index.ts: may not import bitswap/index.ts'
  ])
})

test('an unknown folder is found, and one without its export', () => {
  expect(violations({ ...good, 'extra/index.ts': '' }, goodExports)).toEqual([
    'extra: has no subpath export',
    'extra/index.ts: extra is no known layer'
  ])
})

test('an export without a folder is found', () => {
  expect(violations(good, [...goodExports, './relay'])).toEqual([
    'relay: exported, but no folder of src with an index'
  ])
})

test('an import cycle is found', () => {
  const files = { ...good, 'core/a.ts': `import { B } from './b.ts'` }
  expect(violations(files, goodExports)).toEqual([
    'import cycle: core/index.ts -> core/a.ts -> core/b.ts -> core/index.ts'
  ])
})
