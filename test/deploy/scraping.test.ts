import { afterAll, beforeAll, expect, test } from 'vitest'
import { ManagementServer } from '../../src/management/index.ts'
import { createNode } from '../management/support/managed.ts'
import { documentsOf, jsonOf, type Plain, textOf, yamlOf } from './support/files.ts'

const TOKEN = 'something-nobody-guesses'
let server: ManagementServer

beforeAll(async () => {
  server = new ManagementServer({ bitswap: createNode().node }, { port: 0, authToken: TOKEN })
  await server.start()
})

afterAll(() => server.stop())

async function statusOf(path: string, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(`${server.url}${path}`, { headers })
  await response.text()
  return response.status
}

test('what is probed is answered without a token', async () => {
  const [statefulSet] = documentsOf('deploy/kubernetes/statefulset.yaml')
  const [container] = statefulSet.spec.template.spec.containers
  const paths = [
    container.startupProbe.httpGet.path,
    container.livenessProbe.httpGet.path,
    container.readinessProbe.httpGet.path,
    new URL(/HEALTH_URL=(\S+)/.exec(textOf('deploy/docker/Dockerfile'))![1]!).pathname
  ]
  expect(paths).toEqual(['/health', '/health', '/ready', '/health'])
  for (const path of paths) expect(await statusOf(path), path).toBe(200)
})

test.each([
  ['prometheus.yml', yamlOf('deploy/prometheus/prometheus.yml').scrape_configs[0]],
  ['kubernetes.yml', yamlOf('deploy/prometheus/kubernetes.yml').scrape_configs[0]],
  ['servicemonitor.yaml', yamlOf('deploy/kubernetes/servicemonitor.yaml').spec.endpoints[0]]
])('as %s asks for metrics, it gets them', async (_, job: Plain) => {
  const { authorization, metrics_path = '/metrics', path = metrics_path } = job
  expect(authorization.credentials_file ?? authorization.credentials.key).toMatch(/(^|\/)token$/)
  // What Prometheus sends unless it is told otherwise.
  const { type = 'Bearer' } = authorization
  expect(await statusOf(path, { authorization: `${type} ${TOKEN}` })).toBe(200)
  expect(await statusOf(path, { 'x-auth-token': TOKEN })).toBe(200)
  expect(await statusOf(path)).toBe(401)
})

test('the token of the example would be refused, so that nobody runs with it', () => {
  const { token } = yamlOf('deploy/kubernetes/secret.example.yaml').stringData
  expect(() => new ManagementServer({}, { authToken: token })).toThrow('authToken')
})

test('compose gives Prometheus the token, and scrapes where the server listens', () => {
  const { services } = yamlOf('deploy/docker/compose.yaml')
  const [job] = yamlOf('deploy/prometheus/prometheus.yml').scrape_configs
  expect(services.prometheus.secrets.map((name: string) => `/run/secrets/${name}`)).toContain(
    job.authorization.credentials_file
  )
  const [host, port] = job.static_configs[0].targets[0].split(':')
  expect(Object.keys(services)).toContain(host)
  expect(Number(port)).toBe(jsonOf('deploy/docker/config.json').server.port)
})
