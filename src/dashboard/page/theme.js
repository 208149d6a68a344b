import { useEffect, useState } from 'preact/hooks';
import { html } from './html.js';

const NAMES = { '': 'System', light: 'Light', dark: 'Dark' };

/** Choice of the colours, which the browser keeps. */
export function Theme() {
  const [theme, setTheme] = useState(stored);
  useEffect(() => {
    if (theme === '') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.dataset.theme = theme;
    store(theme);
    dispatchEvent(new Event('hfxbus-theme'));
  }, [theme]);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const onChange = () => dispatchEvent(new Event('hfxbus-theme'));
    query.addEventListener('change', onChange);
    return () => query.removeEventListener('change', onChange);
  }, []);
  return html`<label class="theme"><span class="unseen">Colours</span><select value=${theme} onChange=${({ target }) => setTheme(target.value)}>
    ${Object.entries(NAMES).map(([value, name]) => html`<option value=${value}>${name}</option>`)}
  </select></label>`;
}

function stored() {
  try {
    return Object.hasOwn(NAMES, localStorage.getItem('hfxbus-theme') ?? '')
      ? (localStorage.getItem('hfxbus-theme') ?? '')
      : '';
  } catch {
    // The browser refuses storage.
    return '';
  }
}

function store(theme) {
  try {
    localStorage.setItem('hfxbus-theme', theme);
  } catch {
    // The choice ends with the page.
  }
}
