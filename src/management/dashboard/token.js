/** The documentation page reads it too. */
const KEY = 'auth-token'

// sessionStorage lasts as long as the tab, and is never sent anywhere.

/** @returns {string | undefined} */
export function readToken() {
  return sessionStorage.getItem(KEY) ?? undefined
}

/** @param {string} token */
export function keepToken(token) {
  sessionStorage.setItem(KEY, token)
}

export function forgetToken() {
  sessionStorage.removeItem(KEY)
}
