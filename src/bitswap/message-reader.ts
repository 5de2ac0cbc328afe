/**
 * Longest message read, in bytes. Kubo (go-libp2p's `MessageSizeMax`) and Helia (`maxIncomingMessageSize`)
 * both stop at 4 MiB; the 64 KiB on top are for a node whose limit was raised a little.
 */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024 + 64 * 1024

/** Longest CID or prefix taken, in bytes. Those in use have about 40; only identity CIDs are longer. */
const MAX_CID_BYTES = 256

/** Bytes of the longest varint of Protocol Buffers: 64 bits, 7 in each byte. */
const MAX_VARINT_BYTES = 10

/** What the bits of each byte of a varint count. */
const VARINT_SCALES = Array.from({ length: MAX_VARINT_BYTES }, (_, at) => 2 ** (7 * at))

/** A field's tag is an unsigned 32-bit number: 29 bits of field number, 3 of wire type. */
const MAX_TAG = 2 ** 32 - 1

// Wire types of Protocol Buffers. 3 and 4 are groups, which Bitswap never had; 6 and 7 do not exist.
const VARINT = 0
const FIXED_64 = 1
const LENGTH_DELIMITED = 2
const FIXED_32 = 5

type Kind = 'MESSAGE' | 'WANTLIST' | 'ENTRY' | 'BLOCK' | 'PRESENCE'

/** Which fields are messages themselves; these numbers and those below are of Bitswap's `message.proto`. */
const SUBMESSAGES: Readonly<Record<Kind, Readonly<Record<number, Kind>>>> = {
  MESSAGE: { 1: 'WANTLIST', 3: 'BLOCK', 4: 'PRESENCE' },
  WANTLIST: { 1: 'ENTRY' },
  ENTRY: {},
  BLOCK: {},
  PRESENCE: {}
}

/** In a message of Bitswap 1.0.0: a block's bytes, without a prefix. */
const BARE_BLOCK = 2
/** The CID of an entry or a presence, and the prefix of a block. */
const ID = 1
const BLOCK_DATA = 2
const PRESENCE_TYPE = 2
const WANTLIST_FULL = 2
const ENTRY_CANCEL = 3
const ENTRY_WANT_TYPE = 4
const ENTRY_SEND_DONT_HAVE = 5

const WANT_HAVE = 1
const HAVE = 0
const DONT_HAVE = 1

const NO_BYTES = new Uint8Array(0)

/** What a wantlist entry says besides the CID; what it leaves out is false. */
export interface WantlistEntry {
  /** Whether it takes an earlier want back. */
  readonly cancel: boolean
  /** Whether only the presence of the block is asked for, not the block. */
  readonly isHave: boolean
  /** Whether an answer is wanted also when the peer lacks the block. */
  readonly sendDontHave: boolean
}

/**
 * What a {@link MessageReader} tells, in the order of the stream, each as soon as its last byte is there.
 * Bytes it gives are copies that may be kept. CIDs and prefixes are given as they came: 0 to 256 bytes, valid
 * or not.
 */
export interface MessageVisitor {
  /** One entry of a wantlist. */
  want(cid: Uint8Array, entry: WantlistEntry): void
  /** The wantlist is all that the peer wants; what is not in it is not wanted any more. */
  fullWantlist(): void
  /**
   * One block.
   *
   * @param prefix - the CID without the digest; of a Bitswap 1.0.0 block it is empty
   * @param size - of the data, in bytes
   * @param data - only if {@link needsData} said so
   */
  block(prefix: Uint8Array, size: number, data: Uint8Array | undefined): void
  /** Asked once as each block begins: whether its data is to be gathered and given, not skipped. */
  needsData(): boolean
  /** Whether the peer has a block. */
  presence(cid: Uint8Array, has: boolean): void
  /** A message is complete. */
  message(): void
}

/**
 * Reads the Bitswap messages, versions 1.0.0 to 1.2.0, in the bytes of one direction of one stream.
 *
 * It is made for looking on, so nothing a peer sends makes it throw, wait or grow: at most one CID or prefix
 * is held at a time, and one block if the visitor needs its data. Left out are presences and blocks whose CID or
 * prefix is too long, CIDs of entries that are, and presences of unknown type. Bytes that are no message break it.
 */
export class MessageReader {
  readonly #visitor: MessageVisitor
  /** The messages and submessages that are open, the innermost last: at most a message, its wantlist and an entry. */
  readonly #kinds: Kind[] = []
  /** Where in the stream each of them ends. */
  readonly #ends: number[] = []
  /** Where the innermost ends. */
  #end = Infinity
  /** What the next varint is. */
  #expected: 'LENGTH' | 'TAG' | 'NUMBER' | 'SIZE' = 'LENGTH'
  #isBroken = false
  #isTooLong = false
  /** Bytes read since the stream began. */
  #position = 0

  #varint = 0
  #varintBytes = 0

  /** Number of the field being read. */
  #field = 0
  /** Bytes of its contents still to come. */
  #left = 0
  /** Where they go; without it they are skipped. */
  #target: Uint8Array | undefined

  // Of the entry, presence or block being read.
  /** Its CID or prefix, unless that is too long. */
  #id: Uint8Array | undefined
  /** Its numbers, by field. */
  readonly #numbers = [0, 0, 0, 0, 0, 0]
  #size = 0
  #data: Uint8Array | undefined

  constructor(visitor: MessageVisitor) {
    this.#visitor = visitor
  }

  /** Whether what came is no Bitswap, so that nothing more is read; what was told before was well-formed. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Whether it is broken because a message is longer than it reads, which may be fine with whoever that is for. */
  get isTooLong(): boolean {
    return this.#isTooLong
  }

  /** Whether the last byte read was that of a message. */
  get isBetweenMessages(): boolean {
    return this.#kinds.length === 0 && this.#expected === 'LENGTH' && this.#varintBytes === 0
  }

  /**
   * Reads the next bytes of the stream, however they are cut. It throws only what the visitor throws, and is
   * broken after that, as the rest of the bytes is lost.
   *
   * @param chunk - bytes, or a list of them such as a `Uint8ArrayList`; not kept and not changed
   */
  push(chunk: Uint8Array | Iterable<Uint8Array>): void {
    try {
      if (chunk instanceof Uint8Array) this.#read(chunk)
      else for (const part of chunk) this.#read(part)
    } catch (error) {
      this.#break()
      throw error
    }
  }

  #read(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length && !this.#isBroken) {
      if (this.#left > 0) at += this.#readContents(chunk, at)
      else this.#readVarint(chunk[at++]!)
    }
  }

  /** Reads what there is of a field's contents, in one go, and returns how many bytes that was. */
  #readContents(chunk: Uint8Array, from: number): number {
    const count = Math.min(this.#left, chunk.length - from)
    if (this.#target !== undefined) copy(chunk, from, count, this.#target, this.#target.length - this.#left)
    this.#position += count
    this.#left -= count
    if (this.#left === 0) this.#endField()
    return count
  }

  #readVarint(byte: number): void {
    this.#position++
    // Inexact above 2^53, where no number means anything here.
    this.#varint += (byte & 0x7f) * VARINT_SCALES[this.#varintBytes++]!
    if (byte < 0x80) this.#endVarint(byte)
    else if (this.#varintBytes === MAX_VARINT_BYTES) this.#break()
    // Whatever ends here has been closed, so what is open lacks bytes.
    if (this.#position === this.#end) this.#break()
  }

  #endVarint(lastByte: number): void {
    const value = this.#varint
    // A length padded with zeros is against the rules of multiformats, and Helia takes it for something else.
    const isPadded = lastByte === 0 && this.#varintBytes > 1
    this.#varint = 0
    this.#varintBytes = 0
    if (this.#expected === 'TAG') this.#beginField(value)
    else if (this.#expected === 'NUMBER') this.#takeNumber(value)
    else if (this.#expected === 'SIZE') this.#beginContents(value)
    else if (isPadded) this.#break()
    else this.#beginMessage(value)
  }

  #beginMessage(size: number): void {
    this.#isTooLong = size > MAX_MESSAGE_BYTES
    if (this.#isTooLong) {
      this.#break()
      return
    }
    this.#enter('MESSAGE', size)
    this.#endField()
  }

  #beginField(tag: number): void {
    const wireType = tag > MAX_TAG ? undefined : tag & 7
    this.#field = tag >>> 3
    switch (wireType) {
      case VARINT:
        this.#expected = 'NUMBER'
        break
      case LENGTH_DELIMITED:
        this.#expected = 'SIZE'
        break
      case FIXED_64:
        this.#skip(8)
        break
      case FIXED_32:
        this.#skip(4)
        break
      default:
        this.#break()
    }
  }

  #skip(size: number): void {
    if (this.#overruns(size)) this.#break()
    else this.#left = size
  }

  #takeNumber(value: number): void {
    if (this.#field < this.#numbers.length) this.#numbers[this.#field] = value
    if (this.#field === WANTLIST_FULL && value !== 0 && this.#kinds.at(-1) === 'WANTLIST')
      this.#visitor.fullWantlist()
    this.#endField()
  }

  #beginContents(size: number): void {
    if (this.#overruns(size)) {
      this.#break()
      return
    }
    const kind = this.#kinds.at(-1)!
    const submessage = SUBMESSAGES[kind][this.#field]
    if (submessage === undefined) this.#beginBytes(kind, size)
    else this.#enter(submessage, size)
    if (this.#left === 0) this.#endField()
  }

  #beginBytes(kind: Kind, size: number): void {
    this.#left = size
    if (kind === 'MESSAGE' && this.#field === BARE_BLOCK) {
      // Its end is that of its data, so it is told as any other block is.
      this.#enter('BLOCK', size)
      this.#beginData(size)
    } else if (kind === 'BLOCK' && this.#field === BLOCK_DATA) {
      this.#beginData(size)
    } else if (this.#field === ID) {
      this.#beginId(size)
    }
  }

  #beginId(size: number): void {
    this.#id = size <= MAX_CID_BYTES ? new Uint8Array(size) : undefined
    this.#target = this.#id
  }

  #beginData(size: number): void {
    this.#size = size
    if (this.#data !== undefined) this.#data = new Uint8Array(size)
    this.#target = this.#data
  }

  #enter(kind: Kind, size: number): void {
    this.#end = this.#position + size
    this.#kinds.push(kind)
    this.#ends.push(this.#end)
    this.#id = NO_BYTES
    // One by one, which is quicker than `fill`.
    for (let field = PRESENCE_TYPE; field <= ENTRY_SEND_DONT_HAVE; field++) this.#numbers[field] = 0
    this.#size = 0
    // Asked here, not where the data begins: a block of no bytes leaves that field out.
    this.#data = kind === 'BLOCK' && this.#visitor.needsData() ? NO_BYTES : undefined
  }

  /** Ends what ends at this byte: the field, and any of the messages it is in. */
  #endField(): void {
    this.#target = undefined
    while (this.#position === this.#end) this.#leave()
    this.#expected = this.#kinds.length === 0 ? 'LENGTH' : 'TAG'
  }

  #leave(): void {
    const kind = this.#kinds.pop()!
    this.#ends.pop()
    this.#end = this.#ends.at(-1) ?? Infinity
    this.#tell(kind)
  }

  #tell(kind: Kind): void {
    if (kind === 'MESSAGE') this.#visitor.message()
    if (kind === 'ENTRY') this.#tellWant()
    if (kind === 'PRESENCE') this.#tellPresence()
    if (kind === 'BLOCK') this.#tellBlock()
  }

  #tellWant(): void {
    // Whoever acts on the message looks for a block all the same.
    this.#visitor.want(this.#id ?? NO_BYTES, {
      cancel: this.#numbers[ENTRY_CANCEL] !== 0,
      isHave: this.#numbers[ENTRY_WANT_TYPE] === WANT_HAVE,
      sendDontHave: this.#numbers[ENTRY_SEND_DONT_HAVE] !== 0
    })
  }

  #tellPresence(): void {
    const type = this.#numbers[PRESENCE_TYPE]
    if (this.#id === undefined || (type !== HAVE && type !== DONT_HAVE)) return
    this.#visitor.presence(this.#id, type === HAVE)
  }

  #tellBlock(): void {
    const data = this.#data
    // Not held on to until the next block comes.
    this.#data = undefined
    if (this.#id !== undefined) this.#visitor.block(this.#id, this.#size, data)
  }

  #overruns(size: number): boolean {
    return this.#position + size > this.#end
  }

  #break(): void {
    this.#isBroken = true
    this.#data = undefined
  }
}

/** Copies bytes. A CID is copied one by one, which takes less than the view that `set` needs. */
function copy(from: Uint8Array, at: number, count: number, to: Uint8Array, start: number): void {
  if (count > MAX_CID_BYTES) to.set(from.subarray(at, at + count), start)
  else for (let index = 0; index < count; index++) to[start + index] = from[at + index]!
}
