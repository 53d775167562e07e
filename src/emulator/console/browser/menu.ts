import { find } from './elements.ts';

const GAP = 4;
/** Roughly how high a menu gets; where there is less room below its button, it opens above. */
const HEIGHT = 100;

/**
 * Makes a button open a menu, after the menu button pattern: arrows, Home and End move between the items, Escape and
 * Tab leave, and the focus goes back to the button. Opening, closing and Escape are the browser's (popover).
 */
export function menuButton(
  button: HTMLButtonElement,
  menu: HTMLElement,
  actions: Readonly<Record<string, () => void>>,
): void {
  const items = [...menu.querySelectorAll<HTMLElement>('[role=menuitem]')];
  let openedAt = 0;
  const leave = (): void => {
    menu.hidePopover();
    button.focus();
  };
  // It does not move with its button. Not every scrolling moves that: it can be of something else, or long over.
  const closeWhereMoved = (): void => {
    if (button.getBoundingClientRect().top !== openedAt) menu.hidePopover();
  };

  button.popoverTargetElement = menu;
  button.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    menu.showPopover();
  });

  menu.addEventListener('beforetoggle', ({ newState }) => {
    // Not when that is over, which comes later: who hears where the focus goes back to would hear of an open menu.
    button.ariaExpanded = String(newState === 'open');
    if (newState !== 'open') return;
    openedAt = button.getBoundingClientRect().top;
    place(menu, button);
  });
  menu.addEventListener('toggle', ({ newState }) => {
    if (newState === 'open') {
      items[0]?.focus();
      addEventListener('scroll', closeWhereMoved, { capture: true });
    } else {
      removeEventListener('scroll', closeWhereMoved, { capture: true });
    }
  });
  menu.addEventListener('keydown', (event) => {
    if (event.key === 'Tab') leave();
    const at = items.findIndex((item) => item.matches(':focus'));
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    items.at(next % items.length)?.focus();
  });
  for (const [name, act] of Object.entries(actions)) {
    find(menu, `[data-action=${name}]`, HTMLElement).addEventListener('click', () => {
      // Before a dialog opens: it gives the focus back to where it was.
      leave();
      act();
    });
  }
}

function place(menu: HTMLElement, button: HTMLElement): void {
  const { top, bottom, right } = button.getBoundingClientRect();
  const { clientWidth } = document.documentElement;
  const isBelow = bottom + GAP + HEIGHT <= innerHeight;
  menu.style.right = `${clientWidth - right}px`;
  menu.style.top = isBelow ? `${bottom + GAP}px` : 'auto';
  menu.style.bottom = isBelow ? 'auto' : `${innerHeight - top + GAP}px`;
}
