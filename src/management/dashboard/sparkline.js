import { setAttribute, svgElement } from './element.js'

const WIDTH = 96
const HEIGHT = 24
/** Room for half of the line's width, and for the dot at its end. */
const MARGIN = 2

/**
 * A small line of how a value went. What is not known leaves a gap.
 *
 * @returns {{ element: SVGSVGElement, update: (values: ReadonlyArray<number | null>, label?: string) => void }}
 *   without a label it is for the eye only: the value then stands beside it as text
 */
export function createSparkline() {
  const line = svgElement('path', { class: 'line' })
  // A line without length is a dot that stays round however the chart is stretched.
  const end = svgElement('path', { class: 'end' })
  const size = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none' }
  const chart = svgElement('svg', { class: 'sparkline', ...size }, line, end)
  return {
    element: chart,
    update(values, label) {
      const points = pointsOf(values)
      const known = points.filter(point => point !== undefined)
      // One point is no line.
      const last = known.length > 1 ? known.at(-1) : undefined
      setAttribute(line, 'd', pathOf(points))
      setAttribute(end, 'd', last && `M${last.x} ${last.y}h0`)
      setAttribute(chart, 'aria-hidden', label === undefined ? 'true' : undefined)
      setAttribute(chart, 'role', label === undefined ? undefined : 'img')
      setAttribute(chart, 'aria-label', label)
    }
  }
}

/** @typedef {{ x: number, y: number } | undefined} Point */

/**
 * @param {ReadonlyArray<number | null>} values
 * @returns {Point[]}
 */
function pointsOf(values) {
  const known = values.filter(value => value !== null)
  const [least, most] = [Math.min(0, ...known), Math.max(...known)]
  const range = most - least || 1
  const stepX = (WIDTH - 2 * MARGIN) / Math.max(1, values.length - 1)
  return values.map((value, index) =>
    value === null
      ? undefined
      : {
          x: rounded(MARGIN + index * stepX),
          y: rounded(HEIGHT - MARGIN - ((value - least) / range) * (HEIGHT - 2 * MARGIN))
        }
  )
}

/** @param {Point[]} points */
function pathOf(points) {
  return points
    .map((point, index) => {
      if (point === undefined) return ''
      return `${points[index - 1] === undefined ? 'M' : 'L'}${point.x} ${point.y}`
    })
    .join('')
}

/** @param {number} value */
function rounded(value) {
  return Math.round(value * 10) / 10
}
