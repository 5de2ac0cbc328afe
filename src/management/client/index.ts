/**
 * Asking a management server, from wherever `fetch` is.
 *
 * @packageDocumentation
 */
export { defaultManagementClientOptions, type ManagementClientOptions } from './client-options.ts'
export { ManagementRequestError, ManagementUnavailableError } from './errors.ts'
export type { ManagementEvent } from './event-reader.ts'
export {
  type Answer,
  type AskOptions,
  ManagementClient,
  type ManagementClientComponents
} from './management-client.ts'
