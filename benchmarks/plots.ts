import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import { type Kept, reportOf } from './findings.ts'
import type { Figures } from './peers/figures.ts'
import type { ArmRatios } from './stream/transfers.ts'
import type { TimedRow } from './timed-group.ts'

/** A plot, and the benchmark whose kept it shows. */
interface Plot {
  readonly name: string
  readonly benchmark: string
  spec(kept: Kept): TopLevelSpec
}

/** What a scenario of `bench:peers` keeps of its fetches. */
interface Fetches {
  readonly arms: Readonly<
    Record<string, { readonly quantilesMs: readonly number[]; readonly rounds: readonly Figures[] }>
  >
}

const FONT = { config: { font: 'sans-serif', view: { stroke: null } } } as const

/** An axis of names, whole and in the order they come in. */
const NAMES = { type: 'nominal', sort: null, title: null, axis: { labelLimit: 0 } } as const

/** Reports of `bench:peers` that compare arms, with the first workload. */
function fetchReports(kept: Kept): ReadonlyArray<readonly [name: string, fetches: Fetches]> {
  return kept.reports.flatMap(({ name, data }) =>
    (data as Fetches | null)?.arms === undefined || name.includes(',')
      ? []
      : [[name, data as Fetches] as const]
  )
}

const lost: Plot = {
  name: 'peers-lost',
  benchmark: 'peers',
  spec(kept) {
    const values = fetchReports(kept).flatMap(([scenario, { arms }]) =>
      Object.entries(arms).map(([arm, { rounds, quantilesMs }]) => {
        const failed = rounds.reduce((sum, { leech_fails }) => sum + leech_fails, 0)
        return { scenario, arm, share: failed / (100 * rounds.length), isEmpty: quantilesMs.length === 0 }
      })
    )
    return {
      ...FONT,
      title: 'Blocks that did not come in time',
      data: { values },
      encoding: {
        x: { field: 'arm', type: 'nominal', sort: null, title: null, axis: { labelAngle: -30 } },
        y: { field: 'scenario', type: 'nominal', sort: null, title: null }
      },
      width: 360,
      layer: [
        {
          mark: 'rect',
          encoding: {
            color: {
              field: 'share',
              type: 'quantitative',
              scale: { scheme: 'reds', domain: [0, 1] },
              legend: null
            }
          }
        },
        {
          mark: 'text',
          encoding: {
            text: { field: 'share', type: 'quantitative', format: '.0%' },
            color: { condition: { test: 'datum.share > 0.6', value: 'white' }, value: 'black' }
          }
        }
      ]
    }
  }
}

const latency: Plot = {
  name: 'peers-latency',
  benchmark: 'peers',
  spec(kept) {
    const shown = ['S0', 'S1', 'S3', 'bystander']
    const values = fetchReports(kept)
      .filter(([name]) => shown.includes(name))
      .flatMap(([scenario, { arms }]) =>
        Object.entries(arms).flatMap(([arm, { quantilesMs }]) =>
          quantilesMs.map((ms, at) => ({ scenario, arm, ms, share: at / (quantilesMs.length - 1) }))
        )
      )
    return {
      ...FONT,
      title: 'Blocks that came, and how long they took',
      data: { values },
      facet: { field: 'scenario', type: 'nominal', title: null },
      columns: 2,
      spec: {
        width: 300,
        height: 180,
        mark: { type: 'line', interpolate: 'step-after' },
        encoding: {
          x: { field: 'ms', type: 'quantitative', scale: { type: 'log' }, title: 'ms at most' },
          y: { field: 'share', type: 'quantitative', title: 'share of the blocks that came' },
          color: { field: 'arm', type: 'nominal', sort: null, title: null },
          order: { field: 'share', type: 'quantitative' }
        }
      }
    }
  }
}

const calls: Plot = {
  name: 'core-calls',
  benchmark: 'core',
  spec(kept) {
    const values = ['execute', 'reject', 'failure'].flatMap(name =>
      (reportOf(kept, name).data as { rows: readonly TimedRow[] }).rows.map(({ name: candidate, ns }) => ({
        group: name,
        candidate,
        ...ns
      }))
    )
    return {
      ...FONT,
      title: 'ns per call, median and quartiles',
      data: { values },
      facet: { row: { field: 'group', type: 'nominal', sort: null, title: null } },
      resolve: { scale: { y: 'independent' } },
      spec: {
        width: 420,
        layer: [
          {
            mark: { type: 'rule', strokeWidth: 3, opacity: 0.4 },
            encoding: {
              x: { field: 'p25', type: 'quantitative', scale: { type: 'log' } },
              x2: { field: 'p75' }
            }
          },
          {
            mark: { type: 'point', filled: true },
            encoding: { x: { field: 'median', type: 'quantitative', title: 'ns' } }
          }
        ],
        encoding: { y: { field: 'candidate', ...NAMES } }
      }
    }
  }
}

const memory: Plot = {
  name: 'core-memory',
  benchmark: 'core',
  spec(kept) {
    const rows = reportOf(kept, 'memory').data as ReadonlyArray<{
      readonly scenario: string
      readonly targets: number
      readonly bytesPerTarget: number
    }>
    return {
      ...FONT,
      title: 'Bytes for each of 100,000 targets',
      data: {
        values: rows.filter(({ targets, bytesPerTarget }) => targets === 100_000 && bytesPerTarget > 0)
      },
      width: 420,
      mark: 'bar',
      encoding: {
        x: { field: 'bytesPerTarget', type: 'quantitative', title: 'B' },
        y: { field: 'scenario', ...NAMES }
      }
    }
  }
}

const cost: Plot = {
  name: 'stream-cost',
  benchmark: 'stream',
  spec(kept) {
    const values = kept.reports.flatMap(({ name, data }) =>
      ((data as { readonly ratios?: readonly ArmRatios[] } | null)?.ratios ?? []).flatMap(
        ({ arm, time, askingCpu, servingCpu }) => [
          { measure: name, arm, figure: 'time', ...time },
          { measure: name, arm, figure: 'CPU', ...(arm === 'service, serving' ? servingCpu : askingCpu) }
        ]
      )
    )
    return {
      ...FONT,
      title: 'What a healthy node takes with the service, of what it takes without',
      data: { values },
      facet: { row: { field: 'measure', type: 'nominal', sort: null, title: null } },
      spec: {
        width: 360,
        encoding: {
          y: { field: 'arm', ...NAMES },
          yOffset: { field: 'figure' },
          color: { field: 'figure', type: 'nominal', title: null }
        },
        layer: [
          {
            mark: 'rule',
            encoding: {
              x: { field: 'low', type: 'quantitative', scale: { zero: false }, title: 'times stock' },
              x2: { field: 'high' }
            }
          },
          { mark: 'point', encoding: { x: { field: 'median', type: 'quantitative' } } }
        ]
      }
    }
  }
}

const comebacks: Plot = {
  name: 'sim-recovery',
  benchmark: 'sim',
  spec(kept) {
    const rows = reportOf(kept, 'recovery').data as ReadonlyArray<{
      readonly variant: string
      readonly fromMs: number
      readonly toMs: number
      readonly answer: { readonly p50: number; readonly p95: number; readonly p99: number }
    }>
    const values = rows.flatMap(({ variant, fromMs, toMs, answer }) =>
      (['p50', 'p95', 'p99'] as const).map(share => ({
        variant,
        lasted: `${fromMs / 1_000} to ${toMs / 1_000} s`,
        share,
        seconds: answer[share] / 1_000
      }))
    )
    return {
      ...FONT,
      title: 'From the cure of a fault to the first answer',
      data: { values },
      facet: { field: 'variant', type: 'nominal', sort: null, title: null },
      columns: 3,
      spec: {
        width: 200,
        mark: { type: 'line', point: true },
        encoding: {
          x: {
            field: 'lasted',
            type: 'ordinal',
            sort: null,
            title: 'the fault lasted',
            axis: { labelAngle: -30 }
          },
          y: { field: 'seconds', type: 'quantitative', title: 's' },
          color: { field: 'share', type: 'nominal', title: 'share of the peers' }
        }
      }
    }
  }
}

const plots: readonly Plot[] = [lost, latency, calls, memory, cost, comebacks]

/** The names of the plots of a benchmark. */
export function plotsOf(benchmark: string): string[] {
  return plots.flatMap(plot => (plot.benchmark === benchmark ? [plot.name] : []))
}

/** SVG texts by name, of the benchmarks of which there is something. */
export async function drawPlots(all: ReadonlyMap<string, Kept>): Promise<ReadonlyMap<string, string>> {
  const drawn = new Map<string, string>()
  for (const { name, benchmark, spec } of plots) {
    const kept = all.get(benchmark)
    if (kept !== undefined) drawn.set(name, await draw(spec(kept)))
  }
  return drawn
}

async function draw(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  return `${await view.toSVG()}\n`
}
