import { element } from './element.js'

/**
 * A column: how its cell is made, once, and how it is brought up to date.
 *
 * @template Item
 * @typedef {object} Column
 * @property {string} title
 * @property {string} [sort] - what the server calls sorting by it
 * @property {'ascending' | 'descending'} [order] - how the server sorts by it, unless it is told otherwise
 * @property {boolean} [isNumeric]
 * @property {(cell: HTMLTableCellElement) => (item: Item) => void} create - returns what updates the cell
 */

/**
 * A row, and what brings it up to date.
 *
 * @template Item
 * @typedef {{ row: HTMLTableRowElement, update: (item: Item) => void }} LiveRow
 */

/**
 * The body of a table whose rows are kept as long as their items are shown: cells change in place, so that focus, scroll position and
 * whatever is being read stay as they are.
 *
 * @template Item
 */
export class LiveTable {
  #body
  #columns
  #keyOf
  /** @type {Map<string, LiveRow<Item>>} */
  #rows = new Map()

  /**
   * @param {HTMLTableSectionElement} body
   * @param {ReadonlyArray<Column<Item>>} columns - the first holds the headers of the rows
   * @param {(item: Item) => string} keyOf
   */
  constructor(body, columns, keyOf) {
    this.#body = body
    this.#columns = columns
    this.#keyOf = keyOf
  }

  /** Whether somebody has selected text in it. */
  get hasSelection() {
    const selection = document.getSelection()
    return selection !== null && !selection.isCollapsed && selection.containsNode(this.#body, true)
  }

  /** @param {readonly Item[]} items - with keys of their own */
  update(items) {
    const keys = items.map(this.#keyOf)
    this.#remove(new Set(keys))
    for (const [index, item] of items.entries()) {
      const { row, update } = this.#rowOf(/** @type {string} */ (keys[index]))
      update(item)
      this.#place(row, index)
    }
  }

  /** @param {Set<string>} kept */
  #remove(kept) {
    for (const [key, { row }] of this.#rows) {
      if (kept.has(key)) continue
      // Whoever was in it is still in the table then.
      if (row.contains(document.activeElement)) this.#region()?.focus({ preventScroll: true })
      row.remove()
      this.#rows.delete(key)
    }
  }

  /** @returns {HTMLElement | null} */
  #region() {
    return this.#body.closest('.scroll-region')
  }

  /**
   * @param {string} key
   * @returns {LiveRow<Item>}
   */
  #rowOf(key) {
    const live = this.#rows.get(key) ?? this.#create(key)
    this.#rows.set(key, live)
    return live
  }

  /**
   * @param {string} key
   * @returns {LiveRow<Item>}
   */
  #create(key) {
    const row = element('tr')
    row.dataset.key = key
    const updates = this.#columns.map(({ isNumeric, create }, index) => {
      const cell = index === 0 ? element('th', { scope: 'row' }) : element('td')
      if (isNumeric) cell.className = 'number'
      row.append(cell)
      return create(cell)
    })
    return { row, update: item => updates.forEach(update => void update(item)) }
  }

  /**
   * @param {HTMLTableRowElement} row
   * @param {number} index
   */
  #place(row, index) {
    const there = this.#body.children[index] ?? null
    if (there === row) return
    const focused = row.contains(document.activeElement) ? document.activeElement : null
    this.#body.insertBefore(row, there)
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true })
  }
}

/**
 * Headers of columns. Those by which the server can sort are buttons.
 *
 * @template Item
 * @param {HTMLTableSectionElement} head
 * @param {ReadonlyArray<Column<Item>>} columns
 * @param {(sort: string) => void} [onSort]
 */
export function createHeaders(head, columns, onSort) {
  const cells = columns.map(({ title, sort, isNumeric }) => {
    const cell = element('th', { scope: 'col' })
    if (isNumeric) cell.className = 'number'
    if (sort === undefined) cell.append(title)
    else {
      const button = element('button', { type: 'button', class: 'sort' }, title)
      button.addEventListener('click', () => onSort?.(sort))
      cell.append(button)
      cell.dataset.sort = sort
    }
    return cell
  })
  head.replaceChildren(element('tr', {}, ...cells))
}

/**
 * Says by which column the table is sorted.
 *
 * @template Item
 * @param {HTMLTableSectionElement} head
 * @param {ReadonlyArray<Column<Item>>} columns
 * @param {string} sort
 * @param {boolean} isReversed
 */
export function showOrder(head, columns, sort, isReversed) {
  for (const [index, column] of columns.entries()) {
    const cell = head.rows[0]?.cells[index]
    if (column.sort !== sort) cell?.removeAttribute('aria-sort')
    else {
      const isAscending = (column.order === 'ascending') !== isReversed
      cell?.setAttribute('aria-sort', isAscending ? 'ascending' : 'descending')
    }
  }
}
