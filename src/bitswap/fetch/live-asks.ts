import type { Ask } from './ask.ts'
import type { Supplier } from './supplier.ts'

/** Those who are waited for with one block, each with what it was asked. */
export class LiveAsks extends Map<Supplier, Ask> {
  /** Whether somebody is waited for who was only tried out. */
  get isTrial(): boolean {
    return [...this.values()].some(ask => ask.isTrial)
  }

  /** Since when nobody is waited for but who was only tried out, and has sent nothing since, in ms awake; else `undefined`. */
  get idleTrialSinceMs(): number | undefined {
    const asks = [...this.values()]
    const isIdleTrial = asks.length > 0 && asks.every(ask => ask.isTrial && ask.isSilent)
    return isIdleTrial ? Math.max(...asks.map(ask => ask.askedAtMs)) : undefined
  }

  /** Whether somebody who is waited for has said that it has the block. */
  isPromised(multihash: string): boolean {
    return [...this.keys()].some(supplier => supplier.hasPromised(multihash))
  }

  /** An ask is not waited for any longer; a later one of the same peer is. */
  end(ask: Ask): void {
    if (this.get(ask.supplier) === ask) this.delete(ask.supplier)
  }

  /** Those whose time is up are not waited for any longer. */
  endOverdue(): void {
    for (const ask of this.values()) if (ask.isOverdue) this.end(ask)
  }
}
