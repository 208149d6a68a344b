import { useEffect, useState } from 'preact/hooks';
import { ActionDialog } from './action-dialog.js';
import { read, useLive } from './data.js';
import { count, timeOfId } from './format.js';
import { html } from './html.js';
import { LetterDialog } from './letter-dialog.js';
import { Empty, Failure, Table, Time, Title } from './parts.js';
import { go, link } from './route.js';

/** Dead letters of a stream, with filters. */
export function LettersPage({ query }) {
  const { body, error } = useLive('letter-streams', '');
  if (body === null) return html`<${Title} text="Dead letters" />${error && html`<${Failure} message=${error} />`}`;
  const { streams } = body.data;
  const chosen =
    streams.find(({ bus, stream }) => stream === query.get('stream') && String(bus) === (query.get('bus') ?? '0')) ??
    (query.has('stream') ? { bus: Number(query.get('bus') ?? 0), stream: query.get('stream') } : streams[0]);
  if (chosen === undefined) {
    return html`<${Title} text="Dead letters" />
      <${Empty} title="No dead letters">Consumers with the option <code>deadLetter</code> keep hopeless jobs in a stream, which appears here.</${Empty}>`;
  }
  return html`<${Title} text="Dead letters">
      ${
        streams.length > 1 &&
        html`<label class="pick">Stream <select value=${JSON.stringify([chosen.bus, chosen.stream])} onChange=${({
          target,
        }) => {
          const [bus, stream] = JSON.parse(target.value);
          go('letters', { bus, stream });
        }}>${streams.map(({ bus, stream, length }) => html`<option value=${JSON.stringify([bus, stream])}>${stream} (${count(length)})</option>`)}</select></label>`
      }
    </${Title}>
    <${Letters} key=${JSON.stringify([chosen.bus, chosen.stream])} bus=${chosen.bus} stream=${chosen.stream} query=${query} canAct=${body.about.hasActions} />`;
}

function Letters({ bus, stream, query, canAct }) {
  const filter = { from: query.get('from') ?? '', group: query.get('group') ?? '', text: query.get('text') ?? '' };
  const { body, error } = useLive('letters', new URLSearchParams({ bus, stream, ...filter }).toString(), {
    isFollowed: false,
  });
  const [marked, setMarked] = useState(new Set());
  const [open, setOpen] = useState(null);
  const [plan, setPlan] = useState(null);
  useEffect(() => setMarked(new Set()), [JSON.stringify(filter)]);
  if (body === null)
    return html`${error ? html`<${Failure} message=${error} />` : html`<p class="muted" role="status">Reading the dead letters…</p>`}`;
  const { data } = body;
  const some = data.letters.filter((letter) => marked.has(refOf(letter)));
  const start = (action, letters) => setPlan({ action, letters, filter });
  return html`<p class="unseen" role="status">${count(data.matched)} dead letters match.</p>
    ${error && html`<${Failure} message=${error} />`}
    <${Filters} bus=${bus} stream=${stream} filter=${filter} facets=${data.facets} />
    <div class="bar">
      <p>${count(data.matched)}${data.isComplete ? '' : '+'} match <span class="muted">of ${count(data.searched)}${data.isComplete ? '' : ' searched'}${data.matched > data.letters.length ? `, the newest ${data.letters.length} below` : ''}</span></p>
      ${canAct ? html`<${Buttons} some=${some} matched=${data.matched} start=${start} />` : html`<p class="note">Read-only. The option <code>actions</code> allows to replay and drop.</p>`}
    </div>
    ${data.letters.length > 0 ? html`<${LetterTable} letters=${data.letters} canAct=${canAct} marked=${marked} setMarked=${setMarked} time=${body.time} setOpen=${setOpen} about=${{ bus, stream }} />` : html`<${Empty} title="No dead letter matches">${data.searched > 0 ? html`<a href=${link('letters', { bus, stream })}>Show all</a>` : 'The stream has no entries.'}</${Empty}>`}
    ${
      open &&
      html`<${LetterDialog} bus=${bus} stream=${stream} letter=${open} canAct=${canAct} onClose=${() => setOpen(null)} onAct=${(
        action,
      ) => {
        setOpen(null);
        start(action, [open]);
      }} />`
    }
    ${
      plan &&
      html`<${ActionDialog} bus=${bus} stream=${stream} plan=${plan} onClose=${() => {
        setPlan(null);
        setMarked(new Set());
      }} />`
    }`;
}

export function refOf({ node, id }) {
  return `${node}:${id}`;
}

function Filters({ bus, stream, filter, facets }) {
  const change =
    (name) =>
    ({ target }) =>
      go('letters', { bus, stream, ...filter, [name]: target.value });
  const select = (name, label, values) => html`<label>${label} <select value=${filter[name]} onChange=${change(name)}>
    <option value="">all</option>${values.map(({ value, count: number }) => html`<option value=${value}>${value} (${count(number)})</option>`)}
  </select></label>`;
  return html`<div class="filters wide">
    ${select('from', 'From stream', facets.from)}
    ${select('group', 'Group', facets.group)}
    <label>Error or job <input type="search" list="errors" value=${filter.text} onChange=${change('text')} /></label>
    <datalist id="errors">${facets.error.map(({ value }) => html`<option value=${value}></option>`)}</datalist>
  </div>`;
}

function Buttons({ some, matched, start }) {
  const button = (
    action,
    label,
  ) => html`<button type="button" class=${action === 'drop' ? 'danger' : ''} disabled=${some.length > 0 ? false : matched === 0} onClick=${() => start(action, some.length > 0 ? some : null)}>
    ${label} ${some.length > 0 ? `${some.length} selected` : 'all that match'}…
  </button>`;
  return html`<div class="buttons">${button('replay', 'Replay')}${button('drop', 'Drop')}</div>`;
}

function LetterTable({ letters, canAct, marked, setMarked, time, setOpen, about }) {
  const toggle = (ref) => {
    const next = new Set(marked);
    if (!next.delete(ref)) next.add(ref);
    setMarked(next);
  };
  const isAll = letters.every((letter) => marked.has(refOf(letter)));
  const all = html`<input type="checkbox" aria-label="Select all letters below" checked=${isAll} onChange=${() => setMarked(new Set(isAll ? [] : letters.map(refOf)))} />`;
  const columns = [
    ...(canAct ? [{ name: all }] : []),
    { name: 'Died' },
    { name: 'Job' },
    { name: 'Stream' },
    { name: 'Group' },
    { name: 'Deliveries', isNumber: true },
    { name: 'Reason' },
    { name: 'Error' },
    { name: html`<span class="unseen">Details</span>` },
  ];
  const rows = letters.map((letter) => {
    const ref = refOf(letter);
    const box = html`<input type="checkbox" aria-label=${`Select the letter of job ${letter.jobId}`} checked=${marked.has(ref)} onChange=${() => toggle(ref)} />`;
    return {
      key: ref,
      className: marked.has(ref) ? 'marked' : '',
      cells: [
        ...(canAct ? [box] : []),
        html`<${Time} at=${timeOfId(letter.id)} now=${time} isShort />`,
        html`<a class="name" href=${link('job', { bus: about.bus, id: letter.jobId })}><code>${letter.jobId}</code></a>`,
        letter.stream,
        letter.group,
        letter.deliveries,
        letter.reason,
        html`<span class="error">${letter.error.name && html`<b>${letter.error.name}</b> `}${letter.error.message}</span>`,
        html`<button type="button" class="quiet" onClick=${() => setOpen(letter)}>Read<span class="unseen"> the letter of job ${letter.jobId}</span></button>`,
      ],
    };
  });
  return html`<${Table} caption=${`Dead letters of ${about.stream}`} className="letters" columns=${columns} rows=${rows} />`;
}

/** Counts the letters that match, further than the table does. */
export async function countLetters(bus, stream, filter) {
  const { data } = await read('letters', new URLSearchParams({ bus, stream, ...filter, count: '1' }));
  return data;
}
