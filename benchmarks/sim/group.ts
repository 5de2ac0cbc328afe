import type { Settings } from '../harness.ts'
import type { Report } from '../report.ts'

/** A report of the benchmark. */
export interface Group {
  readonly name: string
  report(settings: Settings): Promise<Report>
}
