import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'

/** What YAML and JSON are read as: tests look into it as far as they know it. */
// biome-ignore lint/suspicious/noExplicitAny: files of other programs, whose types are not here
export type Plain = any

const root = resolve(import.meta.dirname, '../../..')

/** The text of a file of the repository. */
export function textOf(path: string): string {
  return readFileSync(resolve(root, path), 'utf8')
}

export function jsonOf(path: string): Plain {
  return JSON.parse(textOf(path))
}

/** Each of the documents in a file. @throws whatever is wrong with it, also what is only warned of */
export function documentsOf(path: string): Plain[] {
  return parseAllDocuments(textOf(path)).map(document => {
    const [problem] = [...document.errors, ...document.warnings]
    if (problem) throw problem
    return document.toJS()
  })
}

/** The only document in a file. */
export function yamlOf(path: string): Plain {
  const [document, ...others] = documentsOf(path)
  if (others.length > 0) throw new Error(`${path} has several documents`)
  return document
}
