/**
 * A circuit breaker around one function that fails for a while:
 *
 *     npx node --conditions=bitswap-protection-source examples/one-breaker.ts
 *
 * Time is moved by hand, so that nobody has to wait for it. Leave out `{ clock }` for real time.
 */
import { CircuitBreaker, CircuitOpenError, ManualClock } from 'bitswap-protection'

const clock = new ManualClock()

/** The function to guard: something on the network, which is down for the first 12 seconds. */
async function fetchHeight(): Promise<number> {
  if (clock.now() < 12_000) throw new Error('connection refused')
  return 900_000
}

const breaker = new CircuitBreaker(
  {
    name: 'node A',
    readyToTrip: counts => counts.consecutiveFailures >= 3,
    timeoutMs: 10_000, // how long it stays open before one call may go as a probe
    onStateChange: (name, from, to) => console.log(`        ${name}: ${from} -> ${to}`)
  },
  { clock }
)

async function call(): Promise<string> {
  try {
    return `got ${await breaker.execute(fetchHeight)}`
  } catch (error) {
    if (error instanceof CircuitOpenError)
      return `not called, retry in ${Math.round(error.retryAfterMs / 1000)} s`
    return `failed: ${(error as Error).message}`
  }
}

for (; clock.now() <= 18_000; clock.advance(2_000)) {
  const time = `${clock.now() / 1000} s`.padStart(6)
  console.log(`${time}  ${await call()}`)
}
