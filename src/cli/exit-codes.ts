/**
 * What the process ends with. From 128 on it is a signal, as shells count: 128 and the signal's number.
 */
export const exitCodes = Object.freeze({
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  timeout: 4,
  cannotWrite: 5,
  hungUp: 129,
  interrupted: 130,
  readerGone: 141,
  terminated: 143
})

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]
