/** Options without those that are `undefined`: laid over others they would hide them. */
export function onlyGiven<Options extends object>(
  options: {
    readonly [Name in keyof Options]?: Options[Name] | undefined
  }
): Partial<Options> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined)
  ) as Partial<Options>
}
