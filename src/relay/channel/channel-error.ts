/** Thrown when a channel is closed, by whomever, before what was asked of it is done. */
export class ChannelClosedError extends Error {
  static override readonly name = 'ChannelClosedError'
  /** The channel's id. */
  readonly channel: string

  constructor(channel: string, detail: string, cause?: unknown) {
    super(`Channel ${channel} is closed: ${detail}`, { cause })
    this.name = 'ChannelClosedError'
    this.channel = channel
  }
}

/** Thrown when something takes longer on a channel than it may. The channel is closed: what comes now answers nothing. */
export class ChannelTimeoutError extends Error {
  static override readonly name = 'ChannelTimeoutError'
  readonly channel: string
  readonly timeoutMs: number

  constructor(channel: string, operation: string, timeoutMs: number) {
    super(`Channel ${channel}: ${operation} took longer than ${timeoutMs} ms`)
    this.name = 'ChannelTimeoutError'
    this.channel = channel
    this.timeoutMs = timeoutMs
  }
}

/** Thrown when a channel that nobody uses brings something: who uses it next would take it for an answer. */
export class UnexpectedDataError extends Error {
  static override readonly name = 'UnexpectedDataError'
  readonly channel: string

  constructor(channel: string, bytes: number) {
    super(`Channel ${channel}: ${bytes} bytes came that nobody waited for`)
    this.name = 'UnexpectedDataError'
    this.channel = channel
  }
}

/** Thrown when something is done with a channel while it does the same, or after it was given back. */
export class ChannelBusyError extends Error {
  static override readonly name = 'ChannelBusyError'
  readonly channel: string

  constructor(channel: string, detail: string) {
    super(`Channel ${channel}: ${detail}`)
    this.name = 'ChannelBusyError'
    this.channel = channel
  }
}
