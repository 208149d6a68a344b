import { useEffect, useRef } from 'preact/hooks';
import { html } from './html.js';

/** Dialog over the page. Escape closes it, and the focus returns to the button that opened it. */
export function Dialog({ title, onClose, children }) {
  const place = useRef(null);
  useEffect(() => {
    const before = document.activeElement;
    place.current.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${place} aria-labelledby="dialog-title" onClose=${onClose}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
  </dialog>`;
}
