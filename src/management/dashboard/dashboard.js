import { showAlerts } from './alerts.js'
import { notify } from './announcer.js'
import { ApiError, get, getIfThere } from './api.js'
import { ConnectionState } from './connection-state.js'
import { byId, setText } from './element.js'
import { EndpointTable } from './endpoint-table.js'
import { EventFeed } from './event-feed.js'
import { ModeSwitch } from './mode-switch.js'
import { copyPeerId, PeerDetails } from './peer-details.js'
import { PeerTable } from './peer-table.js'
import { Refresher } from './refresher.js'
import { showService } from './service-header.js'
import { Steering } from './steering.js'
import { Timeline } from './timeline.js'
import { forgetToken, keepToken, readToken } from './token.js'
import { Totals } from './totals.js'

/** What is shown of the history, and how often it is asked for, in ms. */
const HISTORY_POINTS = 120
const HISTORY_INTERVAL_MS = 10_000

const connection = new ConnectionState()
const steering = new Steering(() => refresher.start())
const modeSwitch = new ModeSwitch(steering)
const details = new PeerDetails()
const timeline = new Timeline()
const totals = new Totals()
const endpoints = new EndpointTable(steering)
const peers = new PeerTable(steering, {
  onQuery: () => void refreshPeers(),
  onOpen: peer => details.open(peer),
  onCopy: async peer => notify(await copyPeerId(peer))
})
const refresher = new Refresher(refresh)
const feed = new EventFeed(
  event => {
    timeline.add(event)
    refresher.soon()
  },
  () => {
    connection.isListening = feed.isOpen
    if (feed.isOpen) timeline.showSoon()
    refresher.soon()
  }
)

/** How far the clock of the server is ahead of this computer's, in ms. */
let clockSkewMs = 0
/** Only the answer to the last question about peers is shown. */
let peerQuestions = 0
/** @type {import('../wire/history.ts').HistoryWire | undefined} */
let history
let historyAtMs = Number.NEGATIVE_INFINITY

/** @returns {Promise<boolean>} whether the server has answered */
async function refresh() {
  try {
    await load()
    connection.seen()
    feed.start()
    if (location.hash === '#docs') location.replace('docs')
    return true
  } catch (error) {
    if (!(error instanceof ApiError)) console.error(error)
    if (error instanceof ApiError && error.status === 401) askForToken(error.message)
    else connection.lost(error instanceof ApiError ? `${error.message}.` : 'This page has failed.')
    return false
  }
}

async function load() {
  const status = await get('status')
  clockSkewMs = Date.parse(status.timestamp) - Date.now()
  const hasNode = status.bitswap !== null
  byId('peers-section').hidden = !hasNode
  const [{ alerts }, bitswap, stats, channels] = await Promise.all([
    get('api/v1/alerts'),
    hasNode ? get('api/v1/bitswap/status') : undefined,
    get('api/v1/secure-channel/stats'),
    get('api/v1/secure-channel/status'),
    hasNode ? loadPeers() : undefined,
    loadHistory()
  ])
  byId('steering-note').hidden = steering.isPossible
  byId('forget-token').hidden = readToken() === undefined
  showService(status, alerts.length)
  modeSwitch.show(status.bitswap?.mode)
  showAlerts(alerts)
  endpoints.show(channels)
  const hasRelay = channels.channels.length > 0 || channels.endpoint !== ''
  totals.show(bitswap, hasRelay ? stats : undefined, history)
}

async function loadPeers() {
  const question = ++peerQuestions
  const page = await get(peers.path)
  if (question === peerQuestions) peers.show(page, Date.now() + clockSkewMs)
}

/** A server that keeps no history is not asked again. */
async function loadHistory() {
  if (performance.now() - historyAtMs < HISTORY_INTERVAL_MS) return
  historyAtMs = performance.now()
  history = await getIfThere(`api/v1/history?points=${HISTORY_POINTS}`)
  if (history === undefined) historyAtMs = Number.POSITIVE_INFINITY
}

/** Somebody has asked for other peers: they do not wait for the next turn. */
async function refreshPeers() {
  peers.isBusy = true
  try {
    await loadPeers()
  } catch {
    // The next turn says what is wrong.
    refresher.soon()
  }
  peers.isBusy = false
}

/** @param {string} reason */
function askForToken(reason) {
  stop()
  // Without a token nothing is wrong yet.
  setText(byId('token-error'), readToken() === undefined ? '' : reason)
  forgetToken()
  for (const dialog of document.querySelectorAll('dialog')) dialog.close()
  connection.tokenNeeded()
  byId('token').focus()
}

function start() {
  refresher.start()
}

function stop() {
  refresher.stop()
  feed.stop()
}

byId('token-form').addEventListener('submit', event => {
  event.preventDefault()
  const input = byId('token', HTMLInputElement)
  keepToken(input.value.trim())
  input.value = ''
  start()
})

byId('forget-token').addEventListener('click', () => {
  forgetToken()
  // Nothing of what was shown stays.
  location.reload()
})

// A browser makes few connections to a server at a time: pages nobody looks at give theirs back.
document.addEventListener('visibilitychange', () => {
  if (document.body.dataset.connection === 'token-needed') return
  if (document.hidden) stop()
  else start()
})

start()
