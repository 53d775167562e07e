/* Finds what the markup promises; where it does not keep that, the page fails at once and says what is missing. */

type ElementClass<E extends Element> = abstract new () => E;

export function find<E extends Element>(parent: ParentNode, selector: string, type: ElementClass<E>): E {
  const element = parent.querySelector(selector);
  if (element instanceof type) return element;
  throw new Error(`the page has no ${selector}`);
}

export function byId<E extends Element>(id: string, type: ElementClass<E>): E {
  return find(document, `#${id}`, type);
}

/** A new copy of the one element that a template holds. */
export function fromTemplate<E extends Element>(id: string, type: ElementClass<E>): E {
  const copy = document.importNode(byId(id, HTMLTemplateElement).content, true);
  return find(copy, '*', type);
}

export function textElement(tag: 'bdi' | 'code', text: string): HTMLElement {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
