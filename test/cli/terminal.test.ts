import { describe, expect, test } from 'vitest'
import { bar, gauge } from '../../src/cli/terminal/bar.ts'
import { comparisonLines } from '../../src/cli/terminal/comparison.ts'
import { LiveRegion } from '../../src/cli/terminal/live-region.ts'
import { noPaint, type Paint } from '../../src/cli/terminal/paint.ts'
import { type Progress, progressLine, progressSentence } from '../../src/cli/terminal/progress-line.ts'
import {
  bytesText,
  countText,
  durationText,
  percentText,
  roughDurationText
} from '../../src/cli/terminal/quantities.ts'
import { type Column, table } from '../../src/cli/terminal/table.ts'
import { harmless, shorten, visibleWidth, wrap } from '../../src/cli/terminal/visible-text.ts'

const red: Paint = (_format, text) => `\x1b[31m${text}\x1b[39m`

describe('quantities', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [8_192_000, '8.2 MB'],
    [5e15, '5000.0 TB']
  ])('%d bytes are %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text)
  })

  test.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [999.6, '1 s'],
    [1500, '1.5 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min'],
    [125_000, '2 min 5 s'],
    [3_600_000, '1 h'],
    [3_780_000, '1 h 3 min']
  ])('%d ms are %s', (ms, text) => {
    expect(durationText(ms)).toBe(text)
  })

  test.each([
    [0, '1 s'],
    [99_000, '99 s'],
    [120_000, '2 min'],
    [7_200_000, '2 h']
  ])('%d ms are roughly %s', (ms, text) => {
    expect(roughDurationText(ms)).toBe(text)
  })

  test('only all of it is 100 %', () => {
    expect([0, 0.5, 0.9999, 1].map(percentText)).toEqual(['0 %', '50 %', '99 %', '100 %'])
  })

  test('one is singular', () => {
    expect([0, 1, 2].map(count => countText(count, 'peer'))).toEqual(['0 peers', '1 peer', '2 peers'])
  })
})

describe('text', () => {
  test('width does not count colours', () => {
    expect(visibleWidth(red('red', 'four'))).toBe(4)
  })

  test.each([
    ['short', 5, 'short'],
    ['longer', 5, 'long…'],
    ['x', 0, '']
  ])('%s in %d columns is %s', (text, width, short) => {
    expect(shorten(text, width)).toBe(short)
  })

  test('what a terminal would obey is taken out', () => {
    expect(harmless('\x1b[31mred\x1b[0m\r\nand \x07bell')).toBe('red and  bell')
  })

  test('lines are broken at spaces, and long words left whole', () => {
    expect(wrap('one two  three incomprehensible', 9)).toEqual(['one two', 'three', 'incomprehensible'])
    expect(wrap('', 9)).toEqual([])
  })
})

describe('bars', () => {
  test.each([
    [0, ''],
    [0.001, '█'],
    [0.5, '█████'],
    [1, '██████████']
  ])('a bar of %d', (share, drawn) => {
    expect(bar(share, 10)).toBe(drawn)
  })

  test('a gauge is full only at the end', () => {
    expect([0, 0.5, 0.999, 1].map(share => gauge(share, 4))).toEqual(['░░░░', '██░░', '███░', '████'])
  })
})

describe('progress', () => {
  const progress: Progress = {
    doneBytes: 4_200_000,
    totalBytes: 20_000_000,
    bytesPerSecond: 1_000_000,
    connectedPeers: 3,
    idleMs: 0
  }

  test('says how far it is, how fast and how long to go', () => {
    expect(progressLine(progress, 120, noPaint)).toBe(
      '██████░░░░░░░░░░░░░░░░░░░░░░░░   21 %  4.2 MB of 20.0 MB  1.0 MB/s  16 s left  3 peers'
    )
    expect(progressSentence(progress)).toBe('21 %, 4.2 MB of 20.0 MB, 1.0 MB/s, 16 s left, 3 peers')
  })

  test.each([10, 40, 60, 80, 120])('fits into %d columns, whatever it says', columns => {
    const states = [{}, { totalBytes: undefined }, { idleMs: 123_456 }, { doneBytes: 20_000_000 }]
    for (const state of states) {
      expect(visibleWidth(progressLine({ ...progress, ...state }, columns, red))).toBeLessThanOrEqual(columns)
    }
  })

  test('promises nothing while it waits', () => {
    const waiting = progressSentence({ ...progress, idleMs: 7000 })
    expect(waiting).toBe('21 %, 4.2 MB of 20.0 MB, waiting for 7 s, 3 peers')
  })

  test('knows no share before it knows the size', () => {
    const unknown = { ...progress, totalBytes: undefined }
    expect(progressSentence({ ...unknown, connectedPeers: 0 })).toBe('connecting, 0 peers')
    expect(progressSentence(unknown)).toBe('looking for the file, 3 peers')
  })

  test('an empty file is done', () => {
    expect(progressSentence({ ...progress, doneBytes: 0, totalBytes: 0 })).toBe('100 %, 0 B of 0 B, 3 peers')
  })
})

describe('table', () => {
  interface Row {
    readonly name: string
    readonly count: number
    readonly note: string
  }
  const columns: ReadonlyArray<Column<Row>> = [
    { title: 'name', cell: ({ name }) => ({ text: name, format: 'red' }) },
    { title: 'count', align: 'right', dispensable: 1, cell: ({ count }) => ({ text: String(count) }) },
    { title: 'note', leastWidth: 6, cell: ({ note }) => ({ text: note }) }
  ]
  const rows: readonly Row[] = [
    { name: 'near', count: 7, note: 'quick' },
    { name: 'comeback', count: 123, note: 'did not respond' }
  ]

  test('columns are as wide as their contents', () => {
    expect(table(columns, rows, 80, noPaint)).toEqual([
      'name      count  note',
      'near          7  quick',
      'comeback    123  did not respond'
    ])
  })

  test('first the last column gives way, then those that can be done without', () => {
    expect(table(columns, rows, 24, noPaint).at(-1)).toBe('comeback    123  did no…')
    expect(table(columns, rows, 20, noPaint).at(-1)).toBe('comeback  did not r…')
    expect(table(columns, rows, 12, noPaint).at(-1)).toBe('comeback  d…')
  })

  test.each([11, 20, 30, 60])('no line is wider than %d columns', width => {
    for (const line of table(columns, rows, width, red)) {
      expect(visibleWidth(line)).toBeLessThanOrEqual(width)
    }
  })
})

describe('comparison', () => {
  const contestants = [
    { name: 'stock', format: 'red' },
    { name: 'protected', format: 'green' }
  ] as const
  const comparisons = [
    {
      label: 'slowest',
      figures: [
        { value: 1000, text: '1 s' },
        { value: 100, text: '100 ms' }
      ]
    },
    {
      label: 'p50',
      figures: [
        { value: 0, text: '0 ms' },
        { value: 0, text: '0 ms' }
      ]
    }
  ]

  test('bars are in proportion to the longest of their kind', () => {
    expect(comparisonLines(contestants, comparisons, 40, noPaint)).toEqual([
      'slowest  stock         1 s  ████████████',
      '         protected  100 ms  █',
      'p50      stock        0 ms',
      '         protected    0 ms'
    ])
  })

  test.each([20, 28, 60, 200])('no line is wider than %d columns', width => {
    for (const line of comparisonLines(contestants, comparisons, width, red)) {
      expect(visibleWidth(line)).toBeLessThanOrEqual(width)
    }
  })
})

/** A command to the terminal, or one character. */
const parts = new RegExp(`${'\x1b'}\\[[?0-9]*[A-Za-z]|[\\s\\S]`, 'gu')

/** As much of a terminal as is needed to see what somebody would see. */
class Screen {
  columns: number
  readonly rows = 24
  isCursorVisible = true
  readonly #lines: string[] = ['']
  #row = 0
  #column = 0

  constructor(columns: number) {
    this.columns = columns
  }

  get text(): string {
    return this.#lines.join('\n')
  }

  write(text: string): void {
    for (const [part] of text.matchAll(parts)) this.#take(part)
  }

  #take(part: string): void {
    if (part === '\x1b[?25l' || part === '\x1b[?25h') this.isCursorVisible = part.endsWith('h')
    else if (part === '\x1b[2K') this.#lines[this.#row] = ''
    else if (part === '\x1b[J') this.#clearBelow()
    else if (part.endsWith('A')) this.#row = Math.max(0, this.#row - Number.parseInt(part.slice(2), 10))
    else if (part === '\r') this.#column = 0
    else if (part === '\n') this.#nextLine()
    else this.#put(part)
  }

  #clearBelow(): void {
    this.#lines.length = this.#row + 1
    this.#lines[this.#row] = this.#lines[this.#row]!.slice(0, this.#column)
  }

  #nextLine(): void {
    this.#row++
    this.#column = 0
    this.#lines[this.#row] ??= ''
  }

  #put(character: string): void {
    if (this.#column === this.columns) this.#nextLine()
    const line = this.#lines[this.#row]!
    this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1)
    this.#column++
  }
}

describe('live region', () => {
  test('a terminal that does not know its size is taken for one of 80 columns', () => {
    using region = new LiveRegion(new Screen(0))
    expect(region.columns).toBe(80)
  })

  test('is drawn over in place, also when it shrinks', () => {
    const screen = new Screen(20)
    using region = new LiveRegion(screen)
    screen.write('before\n')
    region.draw(['one', 'two', 'three'])
    region.draw(['1', '2'])
    expect(screen.text).toBe('before\n1\n2\n')
  })

  test('a line as wide as the screen takes one line', () => {
    const screen = new Screen(5)
    using region = new LiveRegion(screen)
    for (let time = 0; time < 3; time++) region.draw(['12345', 'abcde'])
    expect(screen.text).toBe('12345\nabcde\n')
  })

  test('lines printed stay above', () => {
    const screen = new Screen(20)
    using region = new LiveRegion(screen)
    region.draw(['live'])
    region.print(['first'])
    region.print(['second'])
    expect(screen.text).toBe('first\nsecond\nlive\n')
    region.clear()
    expect(screen.text).toBe('first\nsecond\n')
  })

  test('the cursor is hidden only as long as it lasts', () => {
    const screen = new Screen(20)
    {
      using region = new LiveRegion(screen)
      region.draw(['live'])
      expect(screen.isCursorVisible).toBe(false)
    }
    expect(screen.isCursorVisible).toBe(true)
    expect(screen.text).toBe('live\n')
  })

  test('is never higher than the screen', () => {
    const screen = new Screen(20)
    using region = new LiveRegion(screen)
    region.draw(Array.from({ length: 100 }, (_, line) => `line ${line}`))
    expect(screen.text.split('\n')).toHaveLength(24)
  })

  test('finds its start when the window has become narrower', () => {
    const screen = new Screen(20)
    using region = new LiveRegion(screen)
    region.draw(['1234567890'])
    // The terminal breaks the line in two.
    const narrow = new Screen(5)
    narrow.write('12345\n67890\n')
    screen.columns = 5
    screen.write = text => narrow.write(text)
    region.draw(['12345'])
    expect(narrow.text).toBe('12345\n')
  })
})
