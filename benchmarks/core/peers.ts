import type { CircuitBreakerPolicy, IBreaker } from 'cockatiel'
import type { Circuit } from 'mollitia'
import type Opossum from 'opossum'
import { LONG_MS } from './subjects.ts'

// The other libraries, each loaded only in the processes that measure it.

/** `threshold` failures in a row open it. */
export async function cockatielConsecutive(threshold = 5): Promise<CircuitBreakerPolicy> {
  const { ConsecutiveBreaker } = await import('cockatiel')
  return cockatiel(new ConsecutiveBreaker(threshold))
}

/** More than half of the calls of ten seconds failing opens it; never if there must be `minimumRps` infinite. */
export async function cockatielSampling(minimumRps?: number): Promise<CircuitBreakerPolicy> {
  const { SamplingBreaker } = await import('cockatiel')
  return cockatiel(
    new SamplingBreaker({
      threshold: 0.5,
      duration: 10_000,
      ...(minimumRps === undefined ? {} : { minimumRps })
    })
  )
}

async function cockatiel(breaker: IBreaker): Promise<CircuitBreakerPolicy> {
  const { circuitBreaker, handleAll } = await import('cockatiel')
  return circuitBreaker(handleAll, { halfOpenAfter: LONG_MS, breaker })
}

/** Without a timer per call and without its percentiles. */
export const lean = { timeout: false, rollingPercentilesEnabled: false } as const

/** With `isTripping` false no share of failures opens it. */
export async function opossum(
  action: () => Promise<unknown>,
  options: typeof lean | undefined,
  isTripping = true
): Promise<Opossum> {
  const { default: CircuitBreaker } = await import('opossum')
  return new CircuitBreaker(action, {
    resetTimeout: LONG_MS,
    ...(isTripping ? {} : { errorThresholdPercentage: 100 }),
    ...options
  })
}

/** Half of its last ten calls failing opens it; with `isTripping` false no share does. */
export async function mollitia(action: () => Promise<unknown>, isTripping = true): Promise<Circuit> {
  const { Circuit, SlidingCountBreaker } = await import('mollitia')
  const breaker = new SlidingCountBreaker({
    openStateDelay: LONG_MS,
    ...(isTripping ? {} : { failureRateThreshold: 100 })
  })
  return new Circuit({ func: action, options: { modules: [breaker] } })
}
