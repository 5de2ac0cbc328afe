import type { ChildProcess } from 'node:child_process'

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const guarded = new Set<ChildProcess>()

/**
 * Kills a child when this process ends, be it by an uncaught error or by Ctrl-C. Children that run notice by
 * themselves that their parent is gone; a frozen one does not, and would stay for ever. There is one way to leave it
 * behind: to kill this process with SIGKILL.
 */
export function killWithParent(child: ChildProcess): void {
  // There was no process to be had, and so there is nobody whose end could be noticed.
  if (child.pid === undefined) return
  if (guarded.size === 0) listen()
  guarded.add(child)
  child.once('exit', () => {
    guarded.delete(child)
    if (guarded.size === 0) stopListening()
  })
}

function listen(): void {
  process.on('exit', killAll)
  for (const signal of endingSignals) process.on(signal, onSignal)
}

function stopListening(): void {
  process.off('exit', killAll)
  for (const signal of endingSignals) process.off(signal, onSignal)
}

function killAll(): void {
  for (const child of guarded) child.kill('SIGKILL')
}

/** A signal that somebody else handles as well is theirs: they end the process in their own way, or do not. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return
  killAll()
  stopListening()
  // Without a listener the signal does what it is for.
  process.kill(process.pid, signal)
}
