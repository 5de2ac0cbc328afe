import { setTimeout as sleep } from 'node:timers/promises'

/** Reads the height of the chain again and again. */
export class Reader {
  #channel
  #onWaited
  #isStopped = false
  #done
  reads = 0
  failures = []

  /** @param onWaited - told how long each read took, in ms */
  constructor(channel, onWaited) {
    this.#channel = channel
    this.#onWaited = onWaited
  }

  start(everyMs) {
    this.#done = this.#run(everyMs)
  }

  async stop() {
    this.#isStopped = true
    await this.#done
  }

  async #run(everyMs) {
    while (!this.#isStopped) {
      await this.#read()
      await sleep(everyMs)
    }
  }

  async #read() {
    const startedAt = performance.now()
    try {
      await this.#channel.getBlockHeight()
    } catch (error) {
      this.failures.push(error)
    }
    this.reads++
    this.#onWaited(performance.now() - startedAt)
  }
}
