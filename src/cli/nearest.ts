/** More changes than this and it was another word that was meant. */
const MAX_CHANGES = 2

/** The one of `words` that `typed` was probably meant to be, if any. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  const ranked = words
    .map(word => ({ word, changes: changesBetween(typed, word) }))
    .filter(({ changes }) => changes <= MAX_CHANGES)
    .sort((a, b) => a.changes - b.changes)
  return ranked[0]?.word
}

/** How many letters must be put in, left out, replaced or swapped with the next to get from one word to the other. */
function changesBetween(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, column) => column)]
  for (let row = 1; row <= from.length; row++) {
    const above = rows[row - 1]!
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1]
      const isSwapped =
        row > 1 && column > 1 && from[row - 2] === to[column - 1] && from[row - 1] === to[column - 2]
      current.push(
        Math.min(
          above[column]! + 1,
          current[column - 1]! + 1,
          above[column - 1]! + (isSame ? 0 : 1),
          isSwapped ? rows[row - 2]![column - 2]! + 1 : Infinity
        )
      )
    }
    rows.push(current)
  }
  return rows[from.length]![to.length]!
}
