import type { ElectrumConnection, ElectrumNotification } from './electrum-connection.ts'
import type { RpcRequest } from './rpc.ts'

/** Told what a notification says: the parameters of the subscription, then what is new. */
export type ElectrumListener = (params: readonly unknown[]) => void

/** One that was answered once, and is kept until it is ended. */
interface Subscription {
  readonly request: RpcRequest
  readonly listener: ElectrumListener
  /** Whether the server knows of it, on the connection that stands. */
  isInForce: boolean
}

/** What a client has subscribed to, from one connection to the next. */
export class ElectrumSubscriptions {
  readonly #all = new Set<Subscription>()
  #ignored = 0

  /** Notifications that were for nobody. */
  get ignored(): number {
    return this.#ignored
  }

  /** Those the server does not know of: no connection stands, or it has not, or would not, take them again. */
  get lapsed(): number {
    return [...this.#all].filter(({ isInForce }) => !isInForce).length
  }

  /** Begins one that was answered. @returns what ends it */
  begin(request: RpcRequest, listener: ElectrumListener, result: unknown): () => void {
    const subscription = { request, listener, isInForce: false }
    this.#all.add(subscription)
    this.#onAnswer(subscription, result)
    return () => {
      this.#all.delete(subscription)
    }
  }

  /** Makes all of them again. Whoever listens is told the answer, as things may have changed meanwhile. */
  renew(connection: ElectrumConnection): void {
    for (const subscription of this.#all) {
      connection
        .ask(subscription.request, undefined, result => {
          if (this.#all.has(subscription)) this.#onAnswer(subscription, result)
        })
        // It is made again on the next connection.
        .catch(() => {})
    }
  }

  /** The connection is lost that they were made on. */
  lapse(): void {
    for (const subscription of this.#all) subscription.isInForce = false
  }

  /** Ends all of them. */
  clear(): void {
    this.#all.clear()
  }

  /** Tells a notification to whom it may concern. */
  tell(notification: ElectrumNotification): void {
    const concerned = [...this.#all].filter(subscription => isAbout(notification, subscription))
    if (concerned.length === 0) this.#ignored++
    for (const { listener } of concerned) inform(listener, notification.params)
  }

  /** An answer tells what the first notification would. */
  #onAnswer(subscription: Subscription, result: unknown): void {
    subscription.isInForce = true
    inform(subscription.listener, [...(subscription.request.params ?? []), result])
  }
}

/**
 * A notification has the method of the subscription, and its parameters before what is new (Electrum protocol, "Protocol
 * Methods": `blockchain.headers.subscribe`, `blockchain.scripthash.subscribe`).
 */
function isAbout({ method, params }: ElectrumNotification, { request, isInForce }: Subscription): boolean {
  const asked = request.params ?? []
  return isInForce && method === request.method && asked.every((param, index) => param === params[index])
}

/** A listener that throws changes nothing for anybody else. */
function inform(listener: ElectrumListener, params: readonly unknown[]): void {
  try {
    listener(params)
  } catch {
    // That is for whoever wrote it.
  }
}
