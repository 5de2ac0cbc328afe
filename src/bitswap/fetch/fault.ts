/**
 * What a peer can do wrong to somebody who wants a block, and how many failed calls each stands for.
 *
 * Never a fault are: a caller who gave up, a race lost to another peer, DONT_HAVE, and limits, rejections and stalls of
 * this node. The proportions are those of gossipsub's peer gater (16 for what is invalid, 1 for what is ignored); a
 * promise that is not kept weighs more than silence, which promised nothing.
 */
export const faultWeights = Object.freeze({
  /** It did not answer in time. */
  TIMEOUT: 1,
  /** It reset the stream the want went out on. */
  RESET: 1,
  /** It closed the connection while an answer was due. */
  PREMATURE_CLOSE: 1,
  /** It sent, but too slowly to go on with. */
  DRIP: 1,
  /** It could not be connected to. */
  DIAL_FAILURE: 1,
  /** It sent a block nobody had asked it for. */
  UNREQUESTED_BLOCK: 1,
  /** It said it had the block, and did not send it. */
  HAVE_WITHOUT_BLOCK: 4,
  /** What it sent is not the block that was asked for. */
  CORRUPT_BLOCK: 16
})

export type Fault = keyof typeof faultWeights

/** Whether it is that nothing came in time. */
export function isSilence(fault: Fault): boolean {
  return fault === 'TIMEOUT' || fault === 'DRIP' || fault === 'HAVE_WITHOUT_BLOCK'
}
