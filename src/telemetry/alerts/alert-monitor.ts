import { type Clock, systemClock } from '../../core/index.ts'
import { Notifier } from '../../core/notifier.ts'
import type { BitswapSource, ChannelSource, PoolSource, TelemetrySources } from '../sources.ts'
import type { Alert } from './alert.ts'
import { type AlertOptions, type AlertSetup, resolveAlertOptions } from './alert-options.ts'
import { BitswapWatch } from './bitswap-watch.ts'
import { EndpointWatch } from './endpoint-watch.ts'

/** What a monitor can be given instead of what it takes itself. */
export interface AlertComponents {
  readonly clock?: Clock
  /** Told of what listeners throw, and those that are watched. */
  readonly onError?: (error: unknown) => void
}

/** Looks at one of those that are watched. */
interface Watcher {
  /** @returns what is told as other than before */
  look(nowMs: number, wallTimeMs: number): readonly Alert[]
  firing(): Iterable<Alert>
}

/** Watches nodes, pools and channels, and tells when something is wrong with them, and when it is not any more. */
export class AlertMonitor implements Disposable {
  readonly #setup: AlertSetup
  readonly #clock: Clock
  readonly #watchers: readonly Watcher[]
  readonly #notifier: Notifier<Alert>
  readonly #onError: (error: unknown) => void
  #cancel: (() => void) | undefined

  /** @throws InvalidOptionError */
  constructor(sources: TelemetrySources, options?: Partial<AlertOptions>, components: AlertComponents = {}) {
    const { clock = systemClock, onError = () => {} } = components
    this.#setup = resolveAlertOptions(options)
    this.#clock = clock
    this.#notifier = new Notifier(onError)
    this.#onError = onError
    this.#watchers = watchersOf(sources, this.#setup)
  }

  /** Looks at all every `intervalMs` from now on. */
  start(): void {
    this.#cancel ??= this.#clock.schedule(() => {
      this.#cancel = undefined
      this.look()
      this.start()
    }, this.#setup.intervalMs)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  [Symbol.dispose](): void {
    this.stop()
  }

  /** Adds a listener; the function returned removes it. What it throws changes nothing. */
  onAlert(listener: (alert: Alert) => void): () => void {
    return this.#notifier.subscribe(listener)
  }

  /** What is wrong now. */
  getAlerts(): readonly Alert[] {
    return this.#watchers.flatMap(watcher => [...watcher.firing()])
  }

  /** Looks at all once. */
  look(): void {
    const now = this.#clock.now()
    const wallTime = this.#clock.wallTime()
    for (const watcher of this.#watchers) {
      try {
        for (const alert of watcher.look(now, wallTime)) this.#notifier.tell(alert)
      } catch (error) {
        // One that cannot be looked at does not hide the others.
        this.#onError(error)
      }
    }
  }
}

function watchersOf(
  { bitswap = [], pools = [], channels = [] }: TelemetrySources,
  setup: AlertSetup
): Watcher[] {
  return [
    ...bitswap.map(node => watchNode(node, setup)),
    ...pools.map(pool => watchPool(pool, setup)),
    ...channels.map(channel => watchChannel(channel, setup))
  ]
}

function watchNode(node: BitswapSource, setup: AlertSetup): Watcher {
  const watch = new BitswapWatch(setup)
  return {
    look: (nowMs, wallTimeMs) => watch.look(node.getOverallStatus(), nowMs, wallTimeMs),
    firing: () => watch.firing
  }
}

function watchPool(pool: PoolSource, setup: AlertSetup): Watcher {
  const watch = new EndpointWatch(pool.getSummary().endpoint, setup)
  return {
    look: (nowMs, wallTimeMs) => {
      const { answerTimes, totalErrors, circuit } = pool.getSummary()
      const found = {
        answerTimes,
        totalErrors,
        consecutiveFails: circuit?.consecutiveErrors ?? 0,
        circuitState: circuit?.circuitState ?? 'CLOSED'
      }
      return watch.look(found, nowMs, wallTimeMs)
    },
    firing: () => watch.firing
  }
}

function watchChannel(channel: ChannelSource, setup: AlertSetup): Watcher {
  const watches = channel.getStatus().nodes.map(({ endpoint }) => new EndpointWatch(endpoint, setup))
  return {
    // Its nodes are always the same, in the same order.
    look: (nowMs, wallTimeMs) =>
      channel
        .getStatus()
        .nodes.flatMap((node, index) =>
          watches[index]!.look(
            { ...node, circuitState: node.circuit?.circuitState ?? 'CLOSED' },
            nowMs,
            wallTimeMs
          )
        ),
    firing: () => watches.flatMap(watch => [...watch.firing])
  }
}
