import { useEffect, useRef, useState } from 'preact/hooks';
import { read } from './data.js';
import { html } from './html.js';
import { go } from './route.js';

const PAGES = {
  stream: ({ bus, stream, partitions }) => ['stream', { bus, stream, partitions: partitions && 1 }],
  group: ({ bus, stream, partitions, group }) => ['group', { bus, stream, partitions: partitions && 1, group }],
  job: ({ bus, id }) => ['job', { bus, id }],
};
const NAMES = {
  stream: ({ stream, partitions }) => `Stream ${stream}${extent(partitions)}`,
  group: ({ stream, partitions, group }) => `Group ${group} of ${stream}${extent(partitions)}`,
  job: ({ id }) => `Job ${id}`,
};

function extent(partitions) {
  return partitions === undefined ? '' : `, ${partitions} partitions`;
}

/** Search for a stream, a group, a job or a key of Redis, from every page. */
export function Search() {
  const [text, setText] = useState('');
  const [results, setResults] = useState([]);
  const [active, setActive] = useState(0);
  const field = useRef(null);
  useEffect(() => shortcuts(field, setText), []);
  useEffect(() => {
    if (text.trim() === '') return setResults([]);
    let isOld = false;
    const timer = setTimeout(async () => {
      const found = await read('find', new URLSearchParams({ q: text })).catch(() => null);
      if (isOld || found === null) return;
      setResults(found.data.results);
      setActive(0);
    }, 150);
    return () => {
      isOld = true;
      clearTimeout(timer);
    };
  }, [text]);
  const open = (result) => {
    go(...PAGES[result.kind](result));
    setText('');
    setResults([]);
  };
  const submit = async (event) => {
    event.preventDefault();
    if (results[active]) return open(results[active]);
    const found = await read('find', new URLSearchParams({ q: text })).catch(() => null);
    if (found?.data.results[0]) open(found.data.results[0]);
  };
  const onKeyDown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && results.length > 0) {
      event.preventDefault();
      setActive((active + step + results.length) % results.length);
    } else if (event.key === 'Escape') setText('');
  };
  const isOpen = results.length > 0;
  return html`<form class="search" role="search" onSubmit=${submit} onFocusOut=${({ relatedTarget, currentTarget }) => !currentTarget.contains(relatedTarget) && setResults([])}>
    <input ref=${field} type="search" role="combobox" aria-label="Find a job, key, stream or group" aria-expanded=${isOpen} aria-controls="results" aria-activedescendant=${isOpen ? `result-${active}` : undefined} aria-autocomplete="list" autocomplete="off" spellcheck=${false}
      placeholder="Job, key, stream or group" value=${text} onInput=${({ target }) => setText(target.value)} onKeyDown=${onKeyDown} />
    <kbd aria-hidden="true">Ctrl K</kbd>
    <ul id="results" role="listbox" aria-label="Results" hidden=${!isOpen} onMouseDown=${(event) => event.preventDefault()}>${results.map(
      (result, at) =>
        html`<li id=${`result-${at}`} role="option" aria-selected=${at === active} onClick=${() => open(result)}>${NAMES[result.kind](result)}</li>`,
    )}</ul>
  </form>`;
}

/** Leads Ctrl-K and a paste anywhere to the field. */
function shortcuts(field, setText) {
  const isField = (target) => target.closest?.('input, select, textarea, dialog');
  const onKeyDown = (event) => {
    if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    field.current?.focus();
  };
  const onPaste = (event) => {
    const text = event.clipboardData?.getData('text').trim();
    if (!text || isField(event.target)) return;
    field.current?.focus();
    setText(text);
  };
  document.addEventListener('keydown', onKeyDown);
  document.addEventListener('paste', onPaste);
  return () => {
    document.removeEventListener('keydown', onKeyDown);
    document.removeEventListener('paste', onPaste);
  };
}
