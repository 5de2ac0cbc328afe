import { serveCommands } from '../src/cli/swarm/serve-commands.ts'
import { groups } from './core/groups.ts'
import type { TaskCommands } from './harness.ts'

// A process of its own for one task of one row group; `runInChild` runs it.

serveCommands<TaskCommands>({
  run(groupName, taskName, input) {
    const task = groups.find(({ name }) => name === groupName)?.tasks[taskName]
    if (task === undefined) throw new Error(`No task ${taskName} in group ${groupName}`)
    return task(input as never)
  }
})
