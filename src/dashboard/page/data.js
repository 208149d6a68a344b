import { useEffect, useRef, useState } from 'preact/hooks';

/** Time between two reads without server-sent events, in ms, and after a failure. */
const EVERY = 5000;

/** Reads a page of data. Rejects with the message of the server. */
export async function read(name, query, options) {
  const response = await fetch(`api/${name}?${query}`, options);
  const body = await response.json().catch(() => ({ message: `The server answered with ${response.status}.` }));
  if (!response.ok) throw Object.assign(new Error(body.message), { status: response.status });
  return { ...body, arrivedAt: Date.now() };
}

/** Sends an action. The header cannot be sent by a form of another site. */
export function act(body) {
  return read('letters', '', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-hfxbus-dashboard': '1' },
    body: JSON.stringify(body),
  });
}

/**
 * Follows a page of data: by server-sent events, or by reads without these. It rests while the page is hidden.
 * @returns {{ body: object | null, error: string | null, isLive: boolean }} `body` stays while newer data is on its way
 */
export function useLive(name, query, { isFollowed = true } = {}) {
  const [state, setState] = useState({ id: '', body: null, error: null, isLive: false });
  const id = `${name}?${query}`;
  const onState = useRef(setState);
  useEffect(() => follow(name, query, isFollowed, (change) => onState.current((old) => next(old, id, change))), [id]);
  return state.id === id ? state : { ...state, body: state.id.startsWith(`${name}?`) ? state.body : null, error: null };
}

/** State of the newest data of any page, for the top of all pages. */
const pulse = { state: { body: null, error: null, isLive: false }, listeners: new Set() };

function tell(change) {
  pulse.state = { ...pulse.state, ...change };
  for (const listener of pulse.listeners) listener(pulse.state);
}

export function usePulse() {
  const [state, setState] = useState(pulse.state);
  useEffect(() => {
    pulse.listeners.add(setState);
    return () => pulse.listeners.delete(setState);
  }, []);
  return state;
}

function next(old, id, change) {
  return { ...(old.id === id ? old : { ...old, error: null }), id, ...change };
}

function follow(name, query, isFollowed, onState) {
  const onChange = (change) => {
    // A page that does not exist is no failure of the connection.
    if (change.body !== null) tell(change);
    onState(change);
  };
  tell({ isLive: false });
  let source = null;
  let timer = null;
  let isEnded = false;
  const load = async () => {
    try {
      const body = await read(name, query);
      if (!isEnded) onChange({ body, error: null });
    } catch (error) {
      if (!isEnded) onChange({ error: error.message, ...(error.status === 404 && { body: null }) });
    }
  };
  const rest = () => {
    source?.close();
    source = null;
    clearTimeout(timer);
  };
  const poll = () => {
    clearTimeout(timer);
    timer = setTimeout(() => load().then(() => !isEnded && !document.hidden && source === null && poll()), EVERY);
  };
  const start = async () => {
    rest();
    await load();
    if (isEnded || !isFollowed || document.hidden) return;
    if (typeof EventSource === 'undefined') poll();
    else source = listen(name, query, onChange, poll);
  };
  const onVisibility = () => (document.hidden ? rest() : start());
  document.addEventListener('visibilitychange', onVisibility);
  addEventListener('hfxbus-refresh', start);
  start();
  return () => {
    isEnded = true;
    rest();
    document.removeEventListener('visibilitychange', onVisibility);
    removeEventListener('hfxbus-refresh', start);
  };
}

/** Listens to events. A browser repeats a lost connection by itself, but not a refused one. */
function listen(name, query, onChange, onRefused) {
  const source = new EventSource(`live/${name}?${query}`);
  source.onmessage = ({ data }) =>
    onChange({ body: { ...JSON.parse(data), arrivedAt: Date.now() }, error: null, isLive: true });
  source.addEventListener('failure', ({ data }) => onChange({ error: JSON.parse(data).message }));
  source.onerror = () => {
    onChange({ isLive: false });
    if (source.readyState !== EventSource.CLOSED) return;
    onRefused();
  };
  return source;
}

/** Reads the data of all open pages again. */
export function refresh() {
  dispatchEvent(new Event('hfxbus-refresh'));
}
