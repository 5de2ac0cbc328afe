import { readFileSync, writeFileSync } from 'node:fs'
import { RESULTS } from './benchmark.ts'
import { type Kept, type KeptReport, keptFindings } from './findings.ts'
import type { Machine } from './harness.ts'
import { tableOf } from './markdown.ts'
import { drawPlots, plotsOf } from './plots.ts'
import { withFigures } from './readme-figures.ts'
import type { Report } from './report.ts'

// Writes the tables and plots of the results that are kept, and the figures of the README, anew: `npm run bench:results`.
// A test fails when they have drifted apart.

const README = new URL('../README.md', import.meta.url)
const TABLES = new URL('./RESULTS.md', import.meta.url)

/** All files that are made of the results, by where they are. */
export async function derivedFiles(): Promise<ReadonlyMap<string, string>> {
  const all = keptFindings()
  const files = new Map([
    [README.href, withFigures(readFileSync(README, 'utf8'), all)],
    [TABLES.href, tables(all)]
  ])
  for (const [name, svg] of await drawPlots(all)) files.set(new URL(`${name}.svg`, RESULTS).href, svg)
  return files
}

function tables(all: ReadonlyMap<string, Kept>): string {
  const sections = [...all.values()].map(section)
  return `# Results

Made by \`npm run bench:results\` from the files in \`results/\`, of each report the newest. [README.md](README.md) says what is
measured, and how. Never compare figures of different runs.

${sections.join('\n')}`
}

function section({ benchmark, reports }: Kept): string {
  return `## bench:${benchmark}

${runsOf(reports)}

${plotsOf(benchmark)
  .map(name => `![${name}](results/${name}.svg)\n\n`)
  .join('')}${reports.map(subsection).join('\n')}`
}

/** Which runs reports are of; if there were several, also which report is of which. */
function runsOf(reports: readonly KeptReport[]): string {
  const runs = Map.groupBy(reports, ({ machine }) => describe(machine))
  return [...runs]
    .map(([run, its]) => (runs.size === 1 ? run : `${run}: ${its.map(({ name }) => name).join('; ')}.`))
    .join('\n\n')
}

function describe({ date, commit, cpu, cores, memoryGb, node, packages }: Machine): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`)
  return `${date.slice(0, 10)}, commit ${commit}, ${cpu}, ${cores} cores, ${memoryGb} GB,
${[`Node ${node}`, ...versions].join(', ')}`
}

function subsection({ name, title, columns, rows, notes, checks }: Report): string {
  const used = columns.map((_, column) => rows.some(row => (row[column] ?? undefined) !== undefined))
  const keep = <Value>(row: readonly Value[]): Value[] => row.filter((_, column) => used[column])
  const lines = [
    ...notes,
    ...checks.map(({ name: what, passed, detail }) => `${passed ? 'ok' : '**wrong**'}: ${what}: ${detail}`)
  ]
  return `### ${name}: ${title}

${tableOf(keep(columns), rows.map(keep))}
${lines.map(line => `- ${line}\n`).join('')}`
}

if (import.meta.main)
  for (const [file, content] of await derivedFiles()) writeFileSync(new URL(file), content)
