import { describe, expect, test } from 'vitest'
import { parseDuration } from '../../src/cli/config/duration.ts'
import type { BitswapAlertName, EndpointAlertName } from '../../src/telemetry/alerts/alert.ts'
import { defaultAlertOptions, defaultBitswapAlerts } from '../../src/telemetry/alerts/alert-options.ts'
import { exposedSeries, NAMESPACE } from './support/exposed.ts'
import { jsonOf, type Plain, yamlOf } from './support/files.ts'
import { groupedLabels, matches, nameOf, type Series, selectorsOf } from './support/promql.ts'

const exposed = await exposedSeries()
const prometheus = yamlOf('deploy/prometheus/prometheus.yml')
const rules: Plain[] = yamlOf('deploy/prometheus/rules.yml').groups.flatMap((group: Plain) => group.rules)
const alerts = rules.filter(rule => rule.alert !== undefined)
const dashboard = jsonOf('deploy/grafana/dashboard.json')

const [job] = prometheus.scrape_configs
const target = { job: job.job_name, instance: job.static_configs[0].targets[0] }

/** What Prometheus makes of a series that it scrapes. */
function relabelled(series: Series): Series {
  const labels: Record<string, string> = { ...series, ...target }
  for (const { source_labels, regex, target_label, replacement } of job.metric_relabel_configs) {
    const value = source_labels.map((label: string) => labels[label] ?? '').join(';')
    const pattern = new RegExp(`^(?:${regex})$`)
    if (pattern.test(value)) labels[target_label] = value.replace(pattern, replacement)
  }
  return labels
}

/** All that expressions can find: what is scraped, and what Prometheus adds. */
const all: Series[] = [
  ...exposed.map(relabelled),
  { __name__: 'up', ...target },
  ...rules.filter(rule => rule.record).map(rule => ({ __name__: rule.record, ...target })),
  ...alerts.map(rule => ({ __name__: 'ALERTS', alertname: rule.alert, alertstate: 'firing', ...target }))
]
const labels = new Set(all.flatMap(series => Object.keys(series)))

/** What is wrong with an expression: what it asks for and nobody has. */
function troubleOf(expression: string): string[] {
  return [
    ...selectorsOf(expression)
      .filter(selector => !all.some(series => matches(series, selector)))
      .map(({ text }) => text),
    ...groupedLabels(expression).filter(label => !labels.has(label))
  ]
}

test('of expressions, what nobody has is found', () => {
  expect(troubleOf('rate(bitswap_protection_wants_total{result="failed"}[1m]) / up')).toEqual([])
  expect(troubleOf('rate(bitswap_protection_wants{result="failed"}[1m])')).toHaveLength(1)
  expect(troubleOf('bitswap_protection_wants_total{result="FAILED"}')).toHaveLength(1)
  expect(troubleOf('sum by (results) (bitswap_protection_wants_total)')).toEqual(['results'])
  expect(troubleOf('max({__name__=~".+_circuit_stat"}) and vector(1)')).toHaveLength(1)
  expect(troubleOf('ALERTS{alertname="NoSuchAlert"} or nothing offset 5m')).toHaveLength(2)
})

describe('scraped', () => {
  test('relay metrics get the namespace as label, and keep their names', () => {
    for (const series of exposed) {
      const isRelay = nameOf(series).startsWith(`${NAMESPACE}_`)
      expect(relabelled(series), nameOf(series)).toEqual({
        ...series,
        ...target,
        ...(isRelay && { relay: NAMESPACE })
      })
    }
  })

  test('it is the same wherever it is scraped', () => {
    const [inCluster] = yamlOf('deploy/prometheus/kubernetes.yml').scrape_configs
    const monitor = yamlOf('deploy/kubernetes/servicemonitor.yaml').spec.endpoints[0]
    expect(inCluster.job_name).toBe(job.job_name)
    expect(inCluster.metric_relabel_configs).toEqual(job.metric_relabel_configs)
    expect(
      monitor.metricRelabelings.map((rule: Plain) => ({
        source_labels: rule.sourceLabels,
        regex: rule.regex,
        target_label: rule.targetLabel,
        replacement: rule.replacement
      }))
    ).toEqual(job.metric_relabel_configs)
  })
})

describe('rules', () => {
  test('ask only for what there is', () => {
    for (const { record, alert, expr } of rules) expect(troubleOf(expr), record ?? alert).toEqual([])
  })

  test('have a severity, and say what is wrong and what to do', () => {
    for (const { alert, labels, annotations } of alerts) {
      expect(labels.severity, alert).toMatch(/^(warning|critical)$/)
      expect(Object.keys(annotations), alert).toEqual(['summary', 'description', 'runbook'])
      for (const text of Object.values(annotations)) expect(text, alert).toMatch(/^\S.{9,}\S$/s)
    }
  })

  test('use only labels that their expression leaves', () => {
    for (const { alert, expr, annotations } of alerts) {
      const used = Object.values<string>(annotations).flatMap(text =>
        [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!)
      )
      const grouped = new Set(groupedLabels(expr))
      for (const label of used)
        expect(label === 'instance' || grouped.has(label), `${alert}: ${label}`).toBe(true)
    }
  })

  test('names are given once', () => {
    const names = rules.map(({ record, alert }) => record ?? alert)
    expect(new Set(names).size).toBe(names.length)
  })

  // Types see to it that none is missing.
  const limits: Readonly<Record<EndpointAlertName | BitswapAlertName, RegExp>> = {
    connectionFailureRate: above(defaultAlertOptions.connectionFailureRate),
    averageLatency: above(inSeconds(defaultAlertOptions.averageLatencyMs)),
    circuitBreakerOpen: />= 1\b/,
    consecutiveFailures: atLeast(defaultAlertOptions.consecutiveFailures),
    wantFailureRate: above(defaultBitswapAlerts.wantFailureRate),
    averageAnswerTime: above(inSeconds(defaultBitswapAlerts.averageAnswerMs)),
    openCircuitShare: above(defaultBitswapAlerts.openCircuitShare),
    consecutiveWantFailures: atLeast(defaultBitswapAlerts.consecutiveFailures)
  }
  const atOnce: readonly string[] = ['circuitBreakerOpen', 'consecutiveFailures', 'consecutiveWantFailures']
  const { fireAfterMs, resolveAfterMs, windowMs, minEvents } = defaultAlertOptions

  test('there is one for each alert of the process itself', () => {
    const names = alerts.map(({ labels }) => labels.name).filter(name => name !== undefined)
    expect(names.toSorted()).toEqual(Object.keys(limits).toSorted())
  })

  test.each(Object.entries(limits))('%s has the same limit and the same patience', (name, limit) => {
    const rule = alerts.find(({ labels }) => labels.name === name)
    expect(rule.expr).toMatch(limit)
    expect(rule.for === undefined ? 0 : parseDuration(rule.for)).toBe(atOnce.includes(name) ? 0 : fireAfterMs)
    expect(parseDuration(rule.keep_firing_for)).toBe(resolveAfterMs)
  })

  test('those that last go on until a fifth below their limit', () => {
    for (const { alert, expr, labels } of alerts.filter(rule => rule.labels.name !== undefined)) {
      if (atOnce.includes(labels.name)) continue
      const [begins, goesOn] = [...expr.matchAll(/> ([\d.]+)/g)].map(([, value]) => Number(value))
      expect(goesOn, alert).toBeCloseTo(0.8 * begins!)
      expect(expr).toContain(`ALERTS{alertname="${alert}", alertstate="firing"}`)
    }
  })

  test('rates and means are of the same window, and of as many events', () => {
    const windows = rules
      .filter(rule => rule.record)
      .flatMap(({ expr }) => [...expr.matchAll(/\[(\w+)\]/g)].map(([, window]) => parseDuration(window)))
    expect(new Set(windows)).toEqual(new Set([windowMs]))
    const averages = rules.filter(({ record = '' }) => /:(ratio|mean)1m$/.test(record))
    expect(averages).toHaveLength(4)
    for (const { expr } of averages) expect(expr).toContain(`>= ${minEvents}\n`.trimEnd())
  })

  test('the configs that are shipped have the limits that rules have', () => {
    for (const path of ['docker/config.json', 'kubernetes/config.json', 'config.example.json']) {
      const { averageLatency, ...others } = jsonOf(`deploy/${path}`).alerts
      expect({ ...others, averageLatencyMs: parseDuration(averageLatency) }).toEqual({
        connectionFailureRate: defaultAlertOptions.connectionFailureRate,
        averageLatencyMs: defaultAlertOptions.averageLatencyMs,
        circuitBreakerOpen: defaultAlertOptions.circuitBreakerOpen,
        consecutiveFailures: defaultAlertOptions.consecutiveFailures
      })
    }
  })
})

describe('dashboard', () => {
  const variables: Plain[] = dashboard.templating.list
  const panels: Plain[] = dashboard.panels
  const expressions = [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }: Plain) => ({ title, expr }))),
    ...dashboard.annotations.list.map(({ name, expr }: Plain) => ({ title: name, expr })),
    ...variables
      .filter(({ type }) => type === 'query')
      .map(({ name, query }) => ({ title: name, expr: /\((.*), \w+\)$/.exec(query)![1]! }))
  ].map(({ title, expr }) => ({ title, expr: filledIn(expr) }))

  test('panels ask only for what there is', () => {
    expect(expressions.length).toBeGreaterThan(30)
    for (const { title, expr } of expressions) expect(troubleOf(expr), title).toEqual([])
  })

  test('all there is is shown', () => {
    const scraped = exposed.map(relabelled)
    const shown = new Set(
      expressions.flatMap(({ expr }) =>
        selectorsOf(expr).flatMap(selector => scraped.filter(series => matches(series, selector)))
      )
    )
    const families = (list: Iterable<Series>) =>
      new Set([...list].map(series => nameOf(series).replace(/_(bucket|sum|count)$/, '')))
    // The same as latency_seconds.
    const expected = families(exposed.filter(series => !nameOf(series).includes('_latency_ms_')))
    expect(families(shown)).toEqual(expected)
  })

  test('namespaces are found by the names of metrics', () => {
    const { query, regex } = variables.find(({ name }) => name === 'namespace')
    expect(query).toMatch(/, __name__\)$/)
    const [, pattern] = /^\/(.*)\/$/.exec(regex)!
    const names = exposed.map(series => new RegExp(pattern!).exec(nameOf(series))?.[1])
    expect([...new Set(names)].filter(name => name !== undefined)).toEqual([NAMESPACE])
  })

  test('the data source is a variable, and is used everywhere', () => {
    expect(variables.map(({ name }) => name)).toEqual(['datasource', 'job', 'instance', 'namespace'])
    expect(variables[0]).toMatchObject({ type: 'datasource', query: 'prometheus' })
    const used = JSON.stringify(dashboard).match(/"uid":"[^"]*"/g)!
    expect(new Set(used)).toEqual(new Set([`"uid":"\${datasource}"`, `"uid":"${dashboard.uid}"`]))
    for (const { targets, datasource } of panels.filter(({ type }) => type !== 'row'))
      for (const each of [{ datasource }, ...targets]) expect(each.datasource.type).toBe('prometheus')
  })

  test('relays are shown for each namespace', () => {
    const row = panels.findIndex(({ repeat }) => repeat === 'namespace')
    expect(panels[row].type).toBe('row')
    for (const [index, { targets = [] }] of panels.entries())
      for (const { expr } of targets) expect(/\$\{namespace\}_/.test(expr)).toBe(index > row)
  })

  test('ids are given once, and panels do not lie upon each other', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const taken = new Set<string>()
    for (const { title, gridPos } of panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x},${y}`), title).toBe(false)
          taken.add(`${x},${y}`)
        }
    }
  })

  test('it is provisioned to where it is', () => {
    const compose = yamlOf('deploy/docker/compose.yaml').services.grafana.volumes.map(
      (each: string) => each.split(':')[1]
    )
    const provider = yamlOf('deploy/grafana/provisioning/dashboards/bitswap-protection.yaml').providers[0]
    expect(compose.some((path: string) => path.startsWith(`${provider.options.path}/`))).toBe(true)
    const source = yamlOf('deploy/grafana/provisioning/datasources/prometheus.yaml').datasources[0]
    expect(source).toMatchObject({ type: 'prometheus', url: 'http://prometheus:9090' })
    expect(source.jsonData.timeInterval).toBe(prometheus.global.scrape_interval)
  })
})

/** As Grafana fills in variables, of which all is chosen. */
function filledIn(expression: string): string {
  return expression
    .replaceAll(/\$\{namespace\}/g, NAMESPACE)
    .replaceAll(/\$(job|instance)\b/g, '.+')
    .replaceAll('$__rate_interval', '1m')
}

function above(limit: number | false): RegExp {
  return new RegExp(`> ${limit}\\n`)
}

function atLeast(limit: number | false): RegExp {
  return new RegExp(`>= ${limit}\\n`)
}

function inSeconds(ms: number | false): number {
  return Number(ms) / 1_000
}
