import { styleText } from 'node:util'

export type Format = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

/** Gives text a colour, or leaves it as it is. */
export type Paint = (format: Format, text: string) => string

/** Colours for a stream, none if it is no terminal or nobody wants them (`NO_COLOR`, `TERM=dumb`, ...). */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  return (format, text) => styleText(format, text, { stream })
}

export const noPaint: Paint = (_format, text) => text
