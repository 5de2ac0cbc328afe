// What the benchmarks use of opossum, which comes without types.
declare module 'opossum' {
  interface Options {
    timeout?: number | false
    resetTimeout?: number
    errorThresholdPercentage?: number
    rollingPercentilesEnabled?: boolean
  }

  export default class CircuitBreaker {
    constructor(action: () => Promise<unknown>, options?: Options)
    readonly opened: boolean
    fire(): Promise<unknown>
    open(): void
    shutdown(): void
  }
}
