/** What can be wrong with an endpoint. */
export type EndpointAlertName =
  | 'connectionFailureRate'
  | 'averageLatency'
  | 'circuitBreakerOpen'
  | 'consecutiveFailures'

/** What can be wrong with a node and its peers. */
export type BitswapAlertName =
  | 'wantFailureRate'
  | 'averageAnswerTime'
  | 'openCircuitShare'
  | 'consecutiveWantFailures'

/** Something is wrong, or is not any more. Plain, frozen data. */
export interface Alert {
  readonly name: EndpointAlertName | BitswapAlertName
  /** `host:port`, or `bitswap`. */
  readonly subject: string
  readonly isFiring: boolean
  /** What was found, and above what it is bad. Of a circuit, 1 is OPEN. Times in ms. */
  readonly value: number
  readonly threshold: number
  /** Since when it is so, in ms since 1970. */
  readonly since: number
}
