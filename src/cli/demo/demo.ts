import { type ExitCode, exitCodes } from '../exit-codes.ts'
import { Swarm } from '../swarm/swarm.ts'
import { bytesText } from '../terminal/quantities.ts'
import { cast } from './cast.ts'
import type { Moment } from './moment.ts'
import { type Outcome, outcomeOf } from './outcome.ts'
import { Race } from './race.ts'
import { liveLines, paragraph, peerLines, resultLines } from './scene-lines.ts'
import { BLOCK_BYTES, BLOCKS, shortenedText, shortenedTimes } from './settings.ts'
import { Stage } from './stage.ts'

const REDRAW_MS = 150

/** The file's blocks and the one that lists them. */
const TOTAL_BLOCKS = BLOCKS + 1

/** Shows a swarm of real peers, some of which fail, to a stock node and to a protected one. */
export async function runDemo({ json }: { json: boolean }, signal: AbortSignal): Promise<ExitCode> {
  using stage = json ? undefined : new Stage()
  const moments: Moment[] = []
  stage?.say(introduction(stage.columns))
  stage?.draw(() => [`Starting ${cast.length} peers ...`])
  await using swarm = await Swarm.start(cast, { signal })
  await using race = await Race.prepare(
    swarm,
    moment => {
      moments.push(moment)
      stage?.tell(moment)
    },
    signal
  )
  stage?.clear()
  const redraw = setInterval(() => stage?.draw(columns => scene(race, columns, stage)), REDRAW_MS)
  try {
    await race.run(signal)
  } finally {
    clearInterval(redraw)
    stage?.clear()
  }
  const outcomes = race.readings.map(outcomeOf)
  if (stage !== undefined) stage.say(conclusion(race, outcomes, stage))
  else process.stdout.write(`${JSON.stringify(document(race, outcomes, moments))}\n`)
  return outcomes[1]!.finished ? exitCodes.ok : exitCodes.failed
}

function introduction(columns: number): string[] {
  const size = bytesText(BLOCKS * BLOCK_BYTES)
  return [
    ...paragraph(
      `${cast.length} real Bitswap peers, each a process on this machine, all have a file of ${size} in ${BLOCKS} blocks. Two Helia nodes read it at the same time: a stock one, and one with bitswap-protection. Meanwhile, things happen to some of the peers.`,
      columns
    ),
    '',
    ...paragraph(shortenedText(), columns),
    ''
  ]
}

function scene(race: Race, columns: number, { paint }: Stage): string[] {
  const states = race.readings.map(({ state }) => state)
  return liveLines(states, TOTAL_BLOCKS, race.rows, columns, paint)
}

function conclusion(race: Race, outcomes: readonly Outcome[], { columns, paint }: Stage): string[] {
  return [
    '',
    paint('bold', 'The peers when the protected node was done'),
    '',
    ...peerLines(race.rows, columns, paint),
    '',
    paint('bold', 'Side by side'),
    '',
    ...resultLines(outcomes, columns, paint)
  ]
}

/** What `--json` prints. */
function document(race: Race, outcomes: readonly Outcome[], moments: readonly Moment[]): object {
  return {
    file: { blocks: BLOCKS, bytes: BLOCKS * BLOCK_BYTES },
    shortened: shortenedTimes,
    outcomes: { stock: outcomes[0], protected: outcomes[1] },
    peers: race.rows,
    moments
  }
}
