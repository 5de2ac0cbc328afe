import { runBenchmark } from './benchmark.ts'
import { UsageError } from './command-line.ts'
import { measureChurn } from './stream/churn.ts'
import { makeGoods } from './stream/pair.ts'
import { measureWorkload } from './stream/transfers.ts'
import { plans } from './stream/workloads.ts'

// What the service costs where it is not needed: a healthy transfer, another protocol, and peers that come and go. Nodes in
// processes of their own, with and without it, in turns.

const names = [...plans.full.workloads, ...plans.full.crowds].map(({ name }) => name)

await runBenchmark({
  name: 'stream',
  packages: ['helia', '@helia/bitswap', 'libp2p', '@chainsafe/libp2p-noise', '@chainsafe/libp2p-yamux'],
  options: { only: { kind: 'list', help: 'what is measured', oneOf: names } },
  async *reports({ isQuick, seed }, { only }) {
    const { workloads, crowds, churn, blocks, chunks } = isQuick ? plans.quick : plans.full
    const isWanted = ({ name }: { readonly name: string }): boolean => only?.includes(name) ?? true
    const missing = only?.find(name => ![...workloads, ...crowds].some(wanted => wanted.name === name))
    if (missing !== undefined) throw new UsageError(`${missing} is no part of a quick run: not with --quick`)
    const goods = await makeGoods(seed, blocks, chunks)
    for (const workload of workloads.filter(isWanted))
      yield* await measureWorkload(workload, goods, seed, isQuick)
    for (const crowd of crowds.filter(isWanted)) yield await measureChurn(crowd, churn, goods, seed, isQuick)
  }
})
