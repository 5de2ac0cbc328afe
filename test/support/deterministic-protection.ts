import {
  ManualClock,
  Protection,
  type ProtectionComponents,
  type ProtectionEvent,
  type ProtectionOptions,
  tripAt
} from '../../src/core/index.ts'

/** Time the circuits below stay OPEN after their first trip, in ms. */
export const TIMEOUT_MS = 1000
/** Time a step of recovery takes, in ms. */
export const STEP_MS = 100

/**
 * A protection on a clock moved by hand, without chance, that opens at two failures in a row, closes at one good
 * probe, and recovers in two steps. Options given are laid over that, those of breaker, health and recovery one
 * by one.
 */
export function createProtection(
  options: Partial<ProtectionOptions> = {},
  components: Pick<ProtectionComponents, 'mayEject'> = {}
) {
  const clock = new ManualClock()
  const listenerErrors: unknown[] = []
  const events: ProtectionEvent[] = []
  const protection = new Protection(
    {
      ...options,
      breaker: {
        readyToTrip: tripAt({ consecutiveFailures: 2 }),
        timeoutMs: TIMEOUT_MS,
        timeoutJitter: 0,
        maxRequests: 1,
        successThreshold: 1,
        ...options.breaker
      },
      recovery: {
        strategy: 'STEP',
        recoverySteps: [0.5, 1],
        recoveryIntervalMs: STEP_MS,
        successThreshold: 2,
        failureThreshold: 2,
        cooldownPeriodMs: 0,
        ...options.recovery
      }
    },
    { clock, random: () => 0, onListenerError: error => listenerErrors.push(error), ...components }
  )
  protection.onEvent(event => events.push(event))
  return {
    protection,
    clock,
    events,
    listenerErrors,
    advance: (ms: number) => clock.advance(ms),
    /** The types of the events so far, which are forgotten. */
    takeEvents: () => events.splice(0).map(({ type }) => type)
  }
}
