import { useEffect, useState } from 'preact/hooks';
import { read } from './data.js';
import { Dialog } from './dialog.js';
import { time, timeOfId } from './format.js';
import { html } from './html.js';
import { Failure } from './parts.js';
import { link } from './route.js';

/** One dead letter in full. */
export function LetterDialog({ bus, stream, letter: { id, node, jobId }, canAct, onClose, onAct }) {
  const [state, setState] = useState({});
  useEffect(() => {
    read('letter', new URLSearchParams({ bus, stream, node, id })).then(
      ({ data }) => setState({ letter: data }),
      (error) => setState({ error: error.message }),
    );
  }, [id, node]);
  const { letter, error } = state;
  return html`<${Dialog} title=${`Dead letter of job ${jobId}`} onClose=${onClose}>
    ${error && html`<${Failure} message=${error} />`}
    ${letter && html`<${Letter} letter=${letter} bus=${bus} />`}
    <div class="buttons">
      ${canAct && letter && html`<button type="button" onClick=${() => onAct('replay')}>Replay…</button><button type="button" class="danger" onClick=${() => onAct('drop')}>Drop…</button>`}
      <button type="button" onClick=${onClose}>Close</button>
    </div>
  </${Dialog}>`;
}

function Letter({ letter, bus }) {
  const { error } = letter;
  const stack = typeof error?.stack === 'string' ? error.stack : null;
  const rest =
    typeof error === 'object' && error !== null
      ? Object.fromEntries(Object.entries(error).filter(([name]) => name !== 'stack'))
      : error;
  const row = (name, value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return html`<dl class="facts">
      ${row('Job', html`<a href=${link('job', { bus, id: letter.jobId })}><code>${letter.jobId}</code></a>`)}
      ${row('From', html`<a href=${link('group', { bus, stream: letter.stream, group: letter.group })}>${letter.group} of ${letter.stream}</a>`)}
      ${row('Died', time(timeOfId(letter.id)))}
      ${letter.entryId && row('Sent', html`${time(timeOfId(letter.entryId))} as <code>${letter.entryId}</code>`)}
      ${row('Reason', `${letter.reason}, after ${letter.deliveries} deliveries`)}
      ${letter.carried.length > 0 && row('Carries', letter.carried.join(', '))}
    </dl>
    ${rest !== null && html`<h3>Error</h3><pre tabindex="0">${JSON.stringify(rest, null, 2)}</pre>`}
    ${stack && html`<h3>Stack</h3><pre tabindex="0">${stack}</pre>`}`;
}
