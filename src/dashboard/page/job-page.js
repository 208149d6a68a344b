import { useEffect, useState } from 'preact/hooks';
import { read, useLive } from './data.js';
import { bytes, duration, fullTime, timeOfId, time as timeText, UNKNOWN } from './format.js';
import { html } from './html.js';
import { Empty, Failure, State, Table, Title } from './parts.js';
import { go, link } from './route.js';

/** Time line of a job across all groups. */
export function JobPage({ query }) {
  const id = query.get('id') ?? '';
  const bus = query.get('bus') ?? '0';
  const { body, error } = useLive('job', query.toString(), { isFollowed: false });
  if (body === null) {
    return html`<${Title} text=${`Job ${id}`} />${error ? html`<${Failure} message=${error} />` : html`<p class="muted" role="status">Searching the streams for this job…</p>`}`;
  }
  const { data, about } = body;
  return html`<${Title} text=${`Job ${id}`}>
      <button type="button" onClick=${() => dispatchEvent(new Event('hfxbus-refresh'))}>Read again</button>
    </${Title}>
    ${error && html`<${Failure} message=${error} />`}
    <${Reach} data=${data} query=${query} />
    ${data.entries.length > 0 ? html`<${Answer} entries=${data.entries} bus=${bus} /><${TimeLine} data=${data} bus=${bus} />` : html`<${Empty} title="No entry">No stream has an entry of this job. It was never sent, or its entries were trimmed.</${Empty}>`}
    <${Payload} data=${data} bus=${bus} canShow=${about.hasPayloads} />`;
}

/** Limits of the search, if it has reached them. */
function Reach({ data, query }) {
  if (data.isSearched && data.areKeysSearched) return null;
  const what = data.isSearched ? 'payload keys' : data.areKeysSearched ? 'streams' : 'streams and payload keys';
  if (data.isDeep) return html`<p class="note">The search has ended before it had seen all ${what}.</p>`;
  return html`<p class="note">Only the newest entries were searched, and not all ${what}.
    <button type="button" onClick=${() => go('job', { ...Object.fromEntries(query), deep: 1 })}>Search everything</button></p>`;
}

const STATES = {
  waiting: { state: 'warning', text: 'waiting' },
  pending: { state: 'warning', text: 'pending' },
  done: { state: 'ok', text: 'settled' },
};

/** State of each entry for each group. */
function Answer({ entries, bus }) {
  const columns = [
    { name: 'State' },
    { name: 'Stream' },
    { name: 'Group' },
    { name: 'Why' },
    { name: 'Owner' },
    { name: 'Idle', isNumber: true },
    { name: 'Deliveries', isNumber: true },
  ];
  const rows = entries
    .filter(({ deadLetter }) => deadLetter === null)
    .flatMap((entry) =>
      entry.groups.map((group) => ({
        key: `${entry.node} ${entry.id} ${group.group}`,
        cells: answer(entry, group, entries, bus),
      })),
    );
  if (rows.length === 0) return null;
  return html`<section aria-labelledby="answer-title"><h2 id="answer-title">State for each group</h2>
    <${Table} caption="State for each group" columns=${columns} rows=${rows} /></section>`;
}

function answer(entry, found, entries, bus) {
  const { group, state, owner, idle, deliveries } = found;
  const outcome = entry.outcomes.find((one) => one.group === group);
  const letter = entries.find(({ deadLetter }) => deadLetter?.group === group && deadLetter.stream === entry.stream);
  const isFailed = state === 'done' && (outcome?.isSuccess === false || letter !== undefined);
  const shown = isFailed ? { state: 'problem', text: letter ? 'dead-lettered' : 'failed' } : STATES[state];
  return [
    html`<${State} state=${shown.state} label=${shown.text} />`,
    html`<a href=${link('stream', { bus, stream: entry.stream })}>${entry.stream}</a>`,
    html`<a href=${link('group', { bus, stream: entry.stream, group })}>${group}</a>`,
    reason(found, outcome, letter),
    html`<code>${owner ?? UNKNOWN}</code>`,
    duration(idle),
    deliveries ?? UNKNOWN,
  ];
}

function reason({ state, idle, deliveries }, outcome, letter) {
  if (letter) return letter.deadLetter.reason;
  if (state === 'waiting') return 'no consumer of the group has got it yet';
  if (state === 'pending') {
    const times = deliveries > 1 ? `delivered ${deliveries} times` : 'delivered once';
    return idle >= 60_000
      ? `${times}, and without a sign of its owner for ${duration(idle)}`
      : `${times}, and in flight`;
  }
  if (outcome?.isSuccess === false) return outcome.error?.message ?? 'an error';
  return outcome?.isSuccess ? 'succeeded' : 'acknowledged, or older than the group';
}

/** Everything that Redis knows with its time, the oldest first. */
function TimeLine({ data: { entries, readAt }, bus }) {
  const events = entries.flatMap((entry) => eventsOf(entry, readAt, bus)).sort((left, right) => left.at - right.at);
  return html`<section aria-labelledby="line-title"><h2 id="line-title">Time line</h2>
    <ol class="line">${events.map(
      ({ at, state, text, detail }) => html`<li class=${state}>
      <time datetime=${new Date(at).toISOString()} title=${fullTime(at)}>${timeText(at)}<span class="muted">${duration(readAt - at)} ago</span></time>
      <div><strong>${text}</strong><span class="muted">${detail}</span></div>
    </li>`,
    )}</ol>
    <p class="note">Redis keeps no time of a settlement.</p></section>`;
}

function eventsOf(entry, readAt, bus) {
  const { stream, node, id, producer, deadLetter, groups, carried } = entry;
  const at = timeOfId(id);
  const name = html`<a href=${link('stream', { bus, stream })}>${stream}</a>`;
  const where = html`entry <code>${id}</code> on ${node}`;
  if (deadLetter) {
    const text = html`Dead-lettered by ${deadLetter.group} of ${deadLetter.stream}`;
    return [{ at, state: 'problem', text, detail: html`${deadLetter.reason} · ${name} · ${where}` }];
  }
  const keys = carried.length > 0 ? ` · carries ${carried.join(', ')}` : '';
  const sent = {
    at,
    state: 'sent',
    text: html`Sent to ${name}`,
    detail: html`by producer <code>${producer}</code> · ${where}${keys}`,
  };
  const delivered = groups
    .filter(({ state }) => state === 'pending')
    .map(({ group, owner, idle, deliveries }) => ({
      at: readAt - idle,
      state: 'warning',
      text: html`Delivered to ${group}`,
      detail: html`delivery ${deliveries}, or its last lease renewal, to <code>${owner}</code>`,
    }));
  return [sent, ...delivered];
}

function Payload({ data, bus, canShow }) {
  const carried = data.entries.flatMap(({ stream, node, id, carried: keys }) =>
    keys.map((key) => ({ key, node, stream, entry: id })),
  );
  const columns = [
    { name: 'Key' },
    { name: 'Kept in' },
    { name: 'Size', isNumber: true },
    { name: 'Expires in', isNumber: true },
    ...(canShow ? [{ name: 'Value' }] : []),
  ];
  const value = (one) => (canShow ? [html`<${Value} query=${{ bus, job: data.id, ...one }} />`] : []);
  const rows = [
    ...data.payload.map(({ key, node, bytes: size, ttl }) => ({
      key: `${node} ${key}`,
      cells: [
        html`<code>${key}</code>`,
        `Redis key on ${node}`,
        bytes(size),
        ttl === null ? 'never' : duration(ttl),
        ...value({ key, node }),
      ],
    })),
    ...carried.map(({ key, node, stream, entry }) => ({
      key: `${entry} ${key}`,
      cells: [
        html`<code>${key}</code>`,
        html`entry <code>${entry}</code>`,
        UNKNOWN,
        'with its entry',
        ...value({ key, node, stream, entry }),
      ],
    })),
  ];
  return html`<section aria-labelledby="payload-title"><h2 id="payload-title">Payload</h2>
    ${rows.length > 0 ? html`<${Table} caption="Payload" columns=${columns} rows=${rows} />` : html`<${Empty} title="No payload key">The job has no value in Redis, or its values were removed.</${Empty}>`}
    ${!canShow && rows.length > 0 && html`<p class="note">Values are hidden. The option <code>payloads</code> shows them.</p>`}</section>`;
}

/** Value of a payload key, on request. */
function Value({ query }) {
  const [shown, setShown] = useState(null);
  const load = async () => {
    try {
      setShown((await read('payload', new URLSearchParams(query))).data);
    } catch (error) {
      setShown({ error: error.message });
    }
  };
  if (shown === null)
    return html`<button type="button" onClick=${load}>Show<span class="unseen"> ${query.key}</span></button>`;
  if (shown.error) return html`<${Failure} message=${shown.error} />`;
  return html`<pre tabindex="0">${shown.text ?? shown.hex}</pre>${shown.isCut && html`<span class="muted">The beginning of ${bytes(shown.size)}</span>`}`;
}

/** Page of an entry: finds its job, and goes there. */
export function EntryPage({ query }) {
  const [error, setError] = useState(null);
  useEffect(() => {
    read('entry', query)
      .then(({ data }) => location.replace(link('job', { bus: query.get('bus'), id: data.jobId })))
      .catch((failure) => setError(failure.message));
  }, [query.toString()]);
  return html`<${Title} text=${`Entry ${query.get('id')}`} />${error ? html`<${Empty} title="Not found">${error}</${Empty}>` : html`<p class="muted" role="status">Reading the entry…</p>`}`;
}
