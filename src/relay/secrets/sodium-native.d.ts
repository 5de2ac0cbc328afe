/** The package has no types of its own. Only what is used is declared. */
declare module 'sodium-native' {
  const sodium: import('./sodium.ts').Sodium
  export default sodium
}
