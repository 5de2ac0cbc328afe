#!/usr/bin/env node
import { Interruption } from './interruption.ts'
import { runProgram } from './program.ts'

/** How long whatever is left may take to end by itself. */
const GRACE_MS = 2000

const interruption = new Interruption()
process.exitCode = await runProgram(process.argv.slice(2), interruption.signal)
// A socket that does not close must not hold the process; as a timer without a hold, it fires only then.
setTimeout(() => process.exit(), GRACE_MS).unref()
