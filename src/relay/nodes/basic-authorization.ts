import { CredentialsError } from '../protocols/rpc.ts'
import { withSecret } from '../secrets/secret.ts'
import { SecretFileError } from '../secrets/secret-error.ts'
import { SecretFile } from '../secrets/secret-file.ts'
import type { NodeSetup } from './secure-channel-options.ts'

/** Bitcoin Core's have 75 bytes (`rpc/request.cpp`, `GenerateAuthCookie`). */
const MAX_COOKIE_BYTES = 1_024

/**
 * HTTP's basic authentication (RFC 7617). Made for each request, so that the password is not kept as text; `undefined` if there
 * is none.
 *
 * @throws CredentialsError if it is in a file that cannot be read
 */
export function basicAuthorization(node: NodeSetup): string | undefined {
  const { username, password, cookieFile } = node
  if (cookieFile !== undefined) return ofCookie(cookieFile, node.address.endpoint.key)
  if (username === undefined && password === undefined) return undefined
  return withSecret(password, bytes =>
    basic(Buffer.concat([Buffer.from(`${username ?? ''}:`), bytes ?? Buffer.alloc(0)]))
  )
}

/** Read each time: a node writes another one whenever it starts. */
function ofCookie(path: string, endpoint: string): string {
  try {
    using file = new SecretFile(path, MAX_COOKIE_BYTES)
    const bytes = Buffer.alloc(file.byteLength)
    const { length } = file.readInto(bytes)
    return basic(bytes.subarray(0, length))
  } catch (cause) {
    if (!(cause instanceof SecretFileError)) throw cause
    throw new CredentialsError(endpoint, cause)
  }
}

/** @param both - user name and password; zeros after that */
function basic(both: Buffer): string {
  const header = `Basic ${both.toString('base64')}`
  both.fill(0)
  return header
}
