const SVG = 'http://www.w3.org/2000/svg'

/**
 * Makes an element. Text among its children stays text: what peers send never becomes markup.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  made.append(...children)
  return made
}

/**
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} attributes
 * @param {...Node} children
 * @returns {SVGElementTagNameMap[Name]}
 */
export function svgElement(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  made.append(...children)
  return made
}

/**
 * The element of the page with this id, of a class if one is given.
 *
 * @template {HTMLElement} [Wanted=HTMLElement]
 * @param {string} id
 * @param {{ new (): Wanted }} [wanted]
 * @returns {Wanted}
 */
export function byId(id, wanted) {
  const found = document.getElementById(id)
  if (found === null || (wanted !== undefined && !(found instanceof wanted)))
    throw new Error(`The page lacks #${id}`)
  return /** @type {Wanted} */ (found)
}

/**
 * Leaves alone what is as it should be, so that selections and screen readers are not disturbed.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/**
 * The same for an attribute; `undefined` takes it away.
 *
 * @param {Element} target
 * @param {string} attribute
 * @param {string | undefined} value
 */
export function setAttribute(target, attribute, value) {
  if (value === undefined) target.removeAttribute(attribute)
  else if (target.getAttribute(attribute) !== value) target.setAttribute(attribute, value)
}
