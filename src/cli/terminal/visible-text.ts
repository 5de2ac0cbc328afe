import { stripVTControlCharacters } from 'node:util'

/** How many columns a line takes. Whatever this program prints is one column a character. */
export function visibleWidth(line: string): number {
  return stripVTControlCharacters(line).length
}

/** The text if it fits into `width` columns, or its beginning and `…`. Not for text with colours. */
export function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}${width > 0 ? '…' : ''}`
}

/** Text from elsewhere, such as a peer's name or an error, without anything a terminal would obey. */
export function harmless(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
}

/** Breaks text at spaces into lines of at most `width` columns; a longer word gets a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/).filter(each => each !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return line === '' ? lines : [...lines, line]
}
