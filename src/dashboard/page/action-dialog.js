import { useEffect, useState } from 'preact/hooks';
import { act, refresh } from './data.js';
import { Dialog } from './dialog.js';
import { count } from './format.js';
import { html } from './html.js';
import { countLetters } from './letters-page.js';
import { Failure } from './parts.js';

const VERBS = {
  replay: {
    name: 'Replay',
    done: 'sent again',
    about: 'Each job is sent to its stream again, for every group, and its letter is deleted.',
  },
  drop: {
    name: 'Drop',
    done: 'dropped',
    about: 'The letters are deleted for good. The payload keys of their jobs stay.',
  },
};

/** Confirmation of an action with the number of letters, and its progress. */
export function ActionDialog({ bus, stream, plan: { action, letters, filter }, onClose }) {
  const [state, setState] = useState({ step: 'count' });
  const verb = VERBS[action];
  useEffect(() => {
    if (letters) setState({ step: 'ask', number: letters.length, isComplete: true });
    else {
      countLetters(bus, stream, filter).then(
        ({ matched, isComplete, newest }) => setState({ step: 'ask', number: matched, isComplete, newest }),
        (error) => setState({ step: 'failed', error: error.message }),
      );
    }
  }, []);
  const run = async () => {
    const body = {
      bus,
      action,
      stream,
      ...(letters ? { letters: letters.map(({ id, node }) => ({ id, node })) } : { filter, newest: state.newest }),
    };
    const sum = { done: 0, missing: 0, failed: 0, failures: [] };
    try {
      for (let isLeft = true; isLeft; ) {
        setState((old) => ({ ...old, step: 'run', sum: { ...sum } }));
        const result = await act(body);
        for (const name of ['done', 'missing', 'failed']) sum[name] += result[name];
        sum.failures.push(...result.failures);
        isLeft = result.left && result.done > 0;
      }
      setState((old) => ({ ...old, step: 'done', sum }));
    } catch (error) {
      setState((old) => ({ ...old, step: 'failed', error: error.message, sum }));
    }
    refresh();
  };
  const { step, number, isComplete, sum, error } = state;
  const noun = number === 1 ? 'dead letter' : 'dead letters';
  return html`<${Dialog} title=${step === 'ask' ? `${verb.name} ${count(number)}${isComplete ? '' : '+'} ${noun}?` : verb.name} onClose=${onClose}>
    ${step === 'count' && html`<p role="status">Counting the letters…</p>`}
    ${step === 'ask' && html`<p>${verb.about} Letters that come after this count stay.</p>`}
    ${step === 'run' && html`<p role="status">${count(sum.done)} of ${count(number)} ${verb.done}…</p>`}
    ${step === 'done' && html`<${Result} sum=${sum} verb=${verb} />`}
    ${step === 'failed' && html`<${Failure} message=${error} />`}
    <div class="buttons">
      ${step === 'ask' && number > 0 && html`<button type="button" class=${action === 'drop' ? 'danger' : 'primary'} onClick=${run}>${verb.name} ${count(number)}</button>`}
      ${step !== 'run' && html`<button type="button" onClick=${onClose}>${step === 'ask' ? 'Cancel' : 'Close'}</button>`}
    </div>
  </${Dialog}>`;
}

function Result({ sum, verb }) {
  return html`<div role="status"><p><b>${count(sum.done)}</b> ${verb.done}.
    ${sum.missing > 0 && ` ${count(sum.missing)} were gone already.`}
    ${sum.failed > 0 && ` ${count(sum.failed)} failed.`}</p>
    ${sum.failures.length > 0 && html`<ul>${sum.failures.slice(0, 10).map(({ id, reason }) => html`<li><code>${id}</code>: ${reason}</li>`)}</ul>`}</div>`;
}
