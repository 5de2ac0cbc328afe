import { parseArgs } from 'node:util'
import { groups } from './core/groups.ts'
import { describeMachine, type Settings } from './harness.ts'
import { printMachine, printReport, type Report } from './report.ts'

interface Arguments {
  readonly settings: Settings
  readonly isJson: boolean
  /** Names of the row groups wanted. */
  readonly wanted: readonly string[]
}

const usage = `usage: npm run bench:core -- [--quick] [--json] [--seed <number>] [--only <row group>]...
row groups: ${groups.map(({ name }) => name).join(', ')}`

const comparedPackages = ['opossum', 'cockatiel', 'mollitia', 'hdr-histogram-js']

/** @throws Error when there is an argument that is not known */
function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      seed: { type: 'string' },
      only: { type: 'string', multiple: true }
    }
  })
  const names = groups.map(({ name }) => name)
  const unknown = values.only?.find(name => !names.includes(name))
  if (unknown !== undefined) throw new Error(`Unknown row group '${unknown}'`)
  const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed)
  if (!Number.isInteger(seed)) throw new Error(`The seed '${values.seed}' is no whole number`)
  return {
    settings: { isQuick: values.quick, seed },
    isJson: values.json,
    wanted: values.only ?? names
  }
}

async function main({ settings, isJson, wanted }: Arguments): Promise<boolean> {
  const machine = describeMachine(comparedPackages)
  if (!isJson) printMachine(machine, settings.seed)
  const reports: Report[] = []
  // One after the other: with two processes at once each would disturb the other.
  for (const group of groups.filter(({ name }) => name === 'yardsticks' || wanted.includes(name))) {
    const report = await group.report(settings)
    reports.push(report)
    if (!isJson) printReport(report)
  }
  const failed = reports.flatMap(({ checks }) => checks).filter(({ passed }) => !passed)
  if (isJson) console.log(JSON.stringify({ machine, settings, reports, failed }, undefined, 2))
  return failed.length === 0
}

let given: Arguments
try {
  given = readArguments()
} catch (error) {
  console.error(`${(error as Error).message}\n${usage}`)
  process.exit(2)
}
try {
  if (!(await main(given))) process.exitCode = 1
} catch (error) {
  console.error((error as Error).message)
  process.exitCode = 1
}
