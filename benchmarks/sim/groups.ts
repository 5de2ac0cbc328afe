import { availability } from './availability.ts'
import { crowd } from './crowd.ts'
import type { Group } from './group.ts'
import { noise } from './noise.ts'
import { outage } from './outage.ts'
import { recovery } from './recovery.ts'
import { replay } from './replay.ts'
import { scale } from './scale.ts'

/** All reports, in the order they are made in. */
export const groups: readonly Group[] = [scale, noise, recovery, availability, outage, crowd, replay]
