import { ChildProgram } from '../../src/cli/swarm/child-program.ts'
import type { CrowdCommands, EchoCommands, FrontCommands } from './relay-commands.ts'

const common = {
  execArgv: ['--conditions=bitswap-protection-source'],
  /** To open 10,001 channels takes longest, in ms. */
  answerLimitMs: 120_000
}

/** A server that sends back all that comes, in a process of its own. */
export function echoChild(): ChildProgram<EchoCommands> {
  const program = new URL('./echo-program.ts', import.meta.url)
  return new ChildProgram({ ...common, name: 'An echo server', program })
}

/** Holds many channels, in a process of its own, so that its memory can be told. */
export function crowdChild(): ChildProgram<CrowdCommands> {
  const program = new URL('./crowd-program.ts', import.meta.url)
  const execArgv = [...common.execArgv, '--expose-gc']
  return new ChildProgram({ ...common, name: 'A crowd of channels', program, execArgv })
}

/** Stands before nodes and can fail, in a process of its own, so that it is not as busy as who is measured. */
export function frontChild(): ChildProgram<FrontCommands> {
  const program = new URL('./front-program.ts', import.meta.url)
  return new ChildProgram({ ...common, name: 'A front', program })
}
