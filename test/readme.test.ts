import { execFile } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { withDefaults } from '../docs/defaults.ts'
import packageJson from '../package.json' with { type: 'json' }

// What is promised in writing is true: examples run and print what they say, tables show the real defaults, links
// lead somewhere, commands exist.

const root = resolve(import.meta.dirname, '..')
const EXAMPLE_TIME_LIMIT_MS = 10_000

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

const readme = read('README.md')
const texts = globSync('{*,docs/*}.md', { cwd: root })

/** The code in each fence of the given language. */
function fences(markdown: string, language: string): string[] {
  return [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
    .filter(match => match[1] === language)
    .map(match => match[2]!)
}

/** What an example says it prints: its comments `// => ...`, a line each. */
function promisedOutput(code: string): string[] {
  return [...code.matchAll(/\/\/ => (.*)$/gm)].map(match => match[1]!)
}

/** Runs an example as written, as a file inside the package, so that its name resolves to it. */
async function output(code: string): Promise<string[]> {
  const folder = mkdtempSync(join(root, '.readme-'))
  try {
    const file = join(folder, 'example.ts')
    writeFileSync(file, code)
    const options = { cwd: root, timeout: EXAMPLE_TIME_LIMIT_MS }
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=bitswap-protection-source', file],
      options
    )
    return stdout.split('\n').slice(0, -1)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('examples of the README', () => {
  const examples = fences(readme, 'ts').map((code, index) => ({ code, number: index + 1 }))

  test('are there, and show what they print', () => {
    expect(examples.length).toBeGreaterThan(0)
    expect(examples.flatMap(({ code }) => promisedOutput(code)).length).toBeGreaterThan(0)
  })

  test.each(examples)(
    'example $number prints what it says',
    { timeout: 2 * EXAMPLE_TIME_LIMIT_MS },
    async ({ code }) => {
      expect(await output(code)).toEqual(promisedOutput(code))
    }
  )
})

/** What the compiler has to say of files in the package, with the settings of the project. */
async function complaints(codes: readonly string[]): Promise<string> {
  const folder = mkdtempSync(join(root, '.readme-'))
  try {
    const files = codes.map((_, index) => `${index + 1}.ts`)
    for (const [index, code] of codes.entries()) writeFileSync(join(folder, files[index]!), code)
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../tsconfig.json', files, include: [] })
    )
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = await promisify(execFile)(process.execPath, [compiler, '-p', folder], {
      cwd: root
    }).catch(error => error)
    return stdout
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('examples of the README compile', { timeout: 60_000 }, async () => {
  expect(await complaints(fences(readme, 'ts'))).toBe('')
  expect(await complaints(["const wrong: number = 'text'"])).toContain('TS2322')
})

describe('tables of defaults', () => {
  test('are up to date (if not: npm run readme:defaults)', () => {
    expect(readme).toBe(withDefaults(readme))
  })

  test('are made from the defaults themselves', () => {
    expect(withDefaults('<!-- defaults:tripRule -->\nold\n<!-- /defaults -->')).toBe(
      `<!-- defaults:tripRule -->
| option | default |
|---|---|
| \`consecutiveFailures\` | \`5\` |
| \`failureShare\` | \`0.5\` |
| \`minRequests\` | \`20\` |
<!-- /defaults -->`
    )
  })

  test('show functions as such, and long numbers legibly', () => {
    const table = withDefaults('<!-- defaults:circuitBreaker -->\n<!-- /defaults -->')
    expect(table).toContain('| `readyToTrip` | function |')
    expect(table).toContain('| `maxTimeoutMs` | `600_000` |')
  })

  test('must be known', () => {
    expect(() => withDefaults('<!-- defaults:nothing -->\n<!-- /defaults -->')).toThrow('nothing')
  })
})

describe.each(texts)('%s', path => {
  const text = read(path)

  test('links to files that exist', () => {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(match => match[1]!)
    const files = targets.filter(target => !/^(https?:|#)/.test(target)).map(target => target.split('#')[0]!)
    expect(files.filter(file => !existsSync(resolve(root, dirname(path), file)))).toEqual([])
  })

  test('names commands that exist', () => {
    const names = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(match => match[1]!)
    expect(names.filter(name => !Object.hasOwn(packageJson.scripts, name))).toEqual([])
  })
})

test('README and CONTRIBUTING are among the texts looked at', () => {
  expect(texts).toEqual(
    expect.arrayContaining(['README.md', 'CONTRIBUTING.md', join('docs', 'ARCHITECTURE.md')])
  )
})
