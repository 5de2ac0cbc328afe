import type { Group } from '../timed-group.ts'
import { churn } from './churn.ts'
import { execute } from './execute.ts'
import { failure } from './failure.ts'
import { inner } from './inner.ts'
import { memory } from './memory.ts'
import { parts } from './parts.ts'
import { record } from './record.ts'
import { reject } from './reject.ts'
import { scrape } from './scrape.ts'
import { share } from './share.ts'
import { sweep } from './sweep.ts'
import { yardsticks } from './yardsticks.ts'

/** All row groups, in the order they run in. */
export const groups: readonly Group[] = [
  yardsticks,
  inner,
  parts,
  execute,
  reject,
  failure,
  memory,
  churn,
  record,
  scrape,
  sweep,
  share
]
