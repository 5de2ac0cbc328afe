import { groups } from './core/groups.ts'

// One task of one row group in a process of its own: node child.ts <group> <task> <input as JSON>.
const [groupName, taskName, input] = process.argv.slice(2)
const task = groups.find(({ name }) => name === groupName)?.tasks[taskName!]
if (task === undefined) throw new Error(`No task ${taskName} in group ${groupName}`)
const value = await task(JSON.parse(input!) as never)
// Timers of what was measured must not keep the process.
process.send!({ value }, () => process.exit())
