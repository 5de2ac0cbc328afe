/** Files a process needs besides its connections: its code, its channels to others, and some to spare. */
const OTHER_FILES = 100

/**
 * Why this process, or one like it, cannot have so many connections; `undefined` if it can. Node itself raises the soft limit as
 * far as it may.
 */
export function tooFewFiles(
  connections: number,
  limit: number | undefined = openFilesLimit()
): string | undefined {
  const needed = connections + OTHER_FILES
  if (limit === undefined || limit >= needed) return undefined
  return `${connections} connections take a limit of ${needed} open files for each of two processes; it is ${limit} here (ulimit -n)`
}

/** `undefined` if there is none. */
function openFilesLimit(): number | undefined {
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft: number | string } }
  }
  const soft = userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : undefined
}
