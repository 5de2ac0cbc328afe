/** What a program can be told to do, with what, and what it answers: an interface of methods. */
export type CommandMap<Commands> = { readonly [Name in keyof Commands]: (...args: never[]) => unknown }

/** What a program does at each command; it may take its time. */
export type Handlers<Commands extends CommandMap<Commands>> = {
  readonly [Name in keyof Commands]: (
    ...args: Parameters<Commands[Name]>
  ) => ReturnType<Commands[Name]> | Promise<ReturnType<Commands[Name]>>
}

/** From the parent to the program. */
export interface CommandMessage {
  readonly id: number
  readonly name: string
  readonly args: readonly unknown[]
}

/** From the program to its parent: how the command with this id ended. */
export type AnswerMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ThrownError }

/** What there is to tell of an error. Errors themselves lose their names on the way, and some cannot be sent. */
export type ThrownError = Pick<Error, 'name' | 'message' | 'stack'>

/** Makes this process the program at the other end of a `ChildProgram`. It ends as soon as that lets go of it. */
export function serveCommands<Commands extends CommandMap<Commands>>(handlers: Handlers<Commands>): void {
  // Ctrl-C reaches all processes of a terminal; what becomes of this one then, its parent decides.
  process.on('SIGINT', () => {})
  process.once('disconnect', () => process.exit())
  // It may have happened while the program was loaded.
  if (!process.connected) process.exit()
  process.on('message', async ({ id, name, args }: CommandMessage) => {
    const handle = handlers[name as keyof Commands] as (...given: readonly unknown[]) => unknown
    try {
      send({ id, value: await handle(...args) })
    } catch (error) {
      send({ id, error: describe(error) })
    }
  })
}

function send(message: AnswerMessage): void {
  if (process.connected) process.send!(message)
}

function describe(thrown: unknown): ThrownError {
  const { name, message, stack } = thrown instanceof Error ? thrown : new Error(String(thrown))
  return { name, message, stack }
}
