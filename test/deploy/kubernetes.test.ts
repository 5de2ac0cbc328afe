import { describe, expect, test } from 'vitest'
import { parseDuration } from '../../src/cli/config/duration.ts'
import { documentsOf, jsonOf, type Plain, textOf, yamlOf } from './support/files.ts'

const kustomization = yamlOf('deploy/kubernetes/kustomization.yaml')
const objects: Plain[] = kustomization.resources.flatMap((file: string) =>
  documentsOf(`deploy/kubernetes/${file}`)
)
const config = jsonOf('deploy/kubernetes/config.json')

function one(kind: string, name = 'bitswap-protection'): Plain {
  const found = objects.filter(each => each.kind === kind && each.metadata.name === name)
  expect(found, `${kind} ${name}`).toHaveLength(1)
  return found[0]
}

const statefulSet = one('StatefulSet')
const { metadata: podMetadata, spec: pod } = statefulSet.spec.template
const [container] = pod.containers

/** Whether a selector finds the pods. */
function selectsPods(labels: Record<string, string>): boolean {
  const ofPod = {
    ...podMetadata.labels,
    'statefulset.kubernetes.io/pod-name': `${statefulSet.metadata.name}-0`
  }
  const pairs = Object.entries(labels)
  return pairs.length > 0 && pairs.every(([label, value]) => ofPod[label] === value)
}

describe('pod', () => {
  test('it runs as somebody who is not root, the user of the image', () => {
    const [user, group] = /^USER (\d+):(\d+)$/m.exec(textOf('deploy/docker/Dockerfile'))!.slice(1).map(Number)
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: group,
      fsGroup: group,
      seccompProfile: { type: 'RuntimeDefault' }
    })
  })

  test('it may write to its volume only, and get no rights', () => {
    expect(pod.containers).toHaveLength(1)
    expect(pod.initContainers).toBeUndefined()
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] }
    })
    const writable = container.volumeMounts.filter(({ readOnly }: Plain) => readOnly !== true)
    expect(writable.map(({ name }: Plain) => name)).toEqual(['state'])
    for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod[key]).toBeUndefined()
  })

  test('it has nothing to do with the API of Kubernetes', () => {
    expect(pod.automountServiceAccountToken).toBe(false)
    expect(one('ServiceAccount', pod.serviceAccountName).automountServiceAccountToken).toBe(false)
    expect(objects.map(({ kind }) => kind).filter(kind => /Role/.test(kind))).toEqual([])
  })

  test('it is given more time to end than it takes', () => {
    const { drainTimeout, forceTimeout } = config.shutdown
    expect(parseDuration(drainTimeout)).toBeLessThan(parseDuration(forceTimeout)!)
    expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(parseDuration(forceTimeout)!)
  })

  test('memory is bounded, and asked for', () => {
    expect(container.resources.limits).toHaveProperty('memory')
    expect(Object.keys(container.resources.requests)).toEqual(['cpu', 'memory'])
  })

  test('ports are those of the config, and probes go to one of them', () => {
    const ports = Object.fromEntries(container.ports.map((port: Plain) => [port.name, port.containerPort]))
    const [, peers] = /\/tcp\/(\d+)$/.exec(config.node.listen[0])!
    expect(ports).toEqual({ peers: Number(peers), management: config.server.port })
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
      expect(container[probe].httpGet.port).toBe('management')
  })

  test('what the config names is there, and what is written is on the volume', () => {
    const path = (name: string) =>
      container.volumeMounts.find((mount: Plain) => mount.name === name).mountPath
    expect(path('config')).toBe('/etc/bitswap-protection')
    expect(config.server.authTokenFile).toBe(`${path('secrets')}/token`)
    expect(config.directory).toBe(path('state'))
    const [claim] = statefulSet.spec.volumeClaimTemplates
    expect(claim.metadata.name).toBe('state')
  })

  test('its volumes are of objects that are there', () => {
    const volume = (name: string) => pod.volumes.find((each: Plain) => each.name === name)
    const [generated] = kustomization.configMapGenerator
    expect(volume('config').configMap.name).toBe(generated.name)
    expect(generated.files).toEqual(['config.json'])
    expect(volume('secrets').secret.secretName).toBe(
      yamlOf('deploy/kubernetes/secret.example.yaml').metadata.name
    )
    expect(volume('secrets').secret.defaultMode).toBe(0o440)
  })
})

describe('around it', () => {
  test('all of it is in the same namespace, which allows nothing less strict', () => {
    const namespace = one('Namespace')
    expect(namespace.metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted')
    expect(kustomization.namespace).toBe(namespace.metadata.name)
    for (const { kind, metadata } of objects)
      if (kind !== 'Namespace') expect(metadata.namespace, metadata.name).toBe(namespace.metadata.name)
    for (const file of ['secret.example', 'servicemonitor'])
      expect(yamlOf(`deploy/kubernetes/${file}.yaml`).metadata.namespace).toBe(namespace.metadata.name)
  })

  test('selectors find the pods', () => {
    expect(selectsPods(statefulSet.spec.selector.matchLabels)).toBe(true)
    expect(selectsPods(one('PodDisruptionBudget').spec.selector.matchLabels)).toBe(true)
    expect(selectsPods(one('NetworkPolicy').spec.podSelector.matchLabels)).toBe(true)
    for (const name of ['bitswap-protection', 'bitswap-protection-peers']) {
      const { spec } = one('Service', name)
      expect(selectsPods(spec.selector)).toBe(true)
      const ports = container.ports.map((port: Plain) => port.name)
      for (const { targetPort } of spec.ports) expect(ports).toContain(targetPort)
    }
    expect(statefulSet.spec.serviceName).toBe(one('Service').metadata.name)
  })

  test('a machine can always be drained', () => {
    const { spec } = one('PodDisruptionBudget')
    expect(spec.maxUnavailable).toBe(1)
    expect(spec.minAvailable).toBeUndefined()
    expect(spec.unhealthyPodEvictionPolicy).toBe('AlwaysAllow')
  })

  test('peers keep their addresses, and get to the pod that has the peer id they dial', () => {
    const { spec } = one('Service', 'bitswap-protection-peers')
    expect(spec.externalTrafficPolicy).toBe('Local')
    expect(spec.selector).toHaveProperty(['statefulset.kubernetes.io/pod-name'])
  })

  test('without a policy nobody gets in or out', () => {
    const { spec } = one('NetworkPolicy', 'default-deny')
    expect(spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
  })

  test('peers get in, and monitoring; nobody else', () => {
    const { ingress, policyTypes } = one('NetworkPolicy').spec
    expect(policyTypes).toEqual(['Ingress', 'Egress'])
    expect(ingress).toEqual([
      { ports: [{ port: 'peers', protocol: 'TCP' }] },
      {
        from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }],
        ports: [{ port: 'management', protocol: 'TCP' }]
      }
    ])
  })

  test('it gets out to DNS, and to what is not inside', () => {
    const [dns, outside] = one('NetworkPolicy').spec.egress
    expect(dns.ports.map(({ port, protocol }: Plain) => `${port}/${protocol}`)).toEqual(['53/UDP', '53/TCP'])
    expect(dns.to).toHaveLength(1)
    expect(outside.to.map(({ ipBlock }: Plain) => ipBlock.cidr)).toEqual(['0.0.0.0/0', '::/0'])
    // Where clouds tell a machine its credentials.
    expect(outside.to[0].ipBlock.except).toContain('169.254.0.0/16')
    for (const network of ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'])
      expect(outside.to[0].ipBlock.except).toContain(network)
  })

  test('Prometheus finds the service, under the name that rules ask for', () => {
    const { labels, name } = one('Service').metadata
    const { selector, endpoints } = yamlOf('deploy/kubernetes/servicemonitor.yaml').spec
    expect(labels).toMatchObject(selector.matchLabels)
    expect(one('Service', 'bitswap-protection-peers').metadata.labels).not.toMatchObject(selector.matchLabels)
    expect(endpoints[0].port).toBe(one('Service').spec.ports[0].name)
    const [job] = yamlOf('deploy/prometheus/kubernetes.yml').scrape_configs
    expect(name).toBe(job.job_name)
    expect(job.kubernetes_sd_configs).toEqual([
      { role: 'endpoints', namespaces: { names: [one('Namespace').metadata.name] } }
    ])
    expect(job.relabel_configs[0].regex).toBe(`${name};${endpoints[0].port}`)
    expect(endpoints[0].authorization.credentials).toEqual({
      name: yamlOf('deploy/kubernetes/secret.example.yaml').metadata.name,
      key: 'token'
    })
  })

  test('what is optional, or to be filled in, is not applied with the rest', () => {
    expect(objects.map(({ kind }) => kind)).not.toContain('Secret')
    expect(objects.map(({ kind }) => kind)).not.toContain('ServiceMonitor')
  })
})
