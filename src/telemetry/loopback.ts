/** Whether a host, as addresses have it, is this machine: by number, or by the name that is kept for it (RFC 6761, 6.3). */
export function isLoopback(host: string): boolean {
  return ['localhost', '::1', '[::1]'].includes(host) || /^127(\.\d{1,3}){3}$/.test(host)
}
