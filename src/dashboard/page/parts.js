import { useEffect, useState } from 'preact/hooks';
import { duration, fullTime, time } from './format.js';
import { html } from './html.js';
import { link } from './route.js';

const SYMBOLS = { ok: '●', warning: '▲', problem: '■', unknown: '○' };
const NAMES = { ok: 'Fine', warning: 'Warning', problem: 'Problem', unknown: 'Not known' };

/** State as a symbol of its own form, so that its meaning needs no colour. */
export function State({ state, label }) {
  return html`<span class="state ${state}" title=${NAMES[state]}><span aria-hidden="true">${SYMBOLS[state]}</span
    ><span class=${label ? 'label' : 'unseen'}>${label ?? NAMES[state]}</span></span>`;
}

/** Time in the zone of the reader, and as an age. */
export function Time({ at, now, isShort = false }) {
  const age = `${duration(now - at)} ago`;
  return html`<time datetime=${new Date(at).toISOString()} title=${fullTime(at)}
    >${isShort ? age : html`${time(at)} <span class="muted">${age}</span>`}</time>`;
}

/** Name that leads to a page. A name can be empty. */
export function Name({ page, values, text }) {
  return html`<a class="name" href=${link(page, values)} title=${text}>${text === '' ? html`<i>empty name</i>` : text}</a>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty"><strong>${title}</strong><p>${children}</p></div>`;
}

export function Failure({ message }) {
  return html`<p class="failure" role="alert">${message}</p>`;
}

/** Figure with its name. */
export function Figure({ name, value, state, title, href }) {
  const content = html`<span class="figure-name">${name}</span><span class="figure-value">${value}</span>`;
  const of = `figure ${state ?? ''}`;
  return href
    ? html`<a class=${of} title=${title} href=${href}>${content}</a>`
    : html`<div class=${of} title=${title}>${content}</div>`;
}

/** Title of the page before. */
let shown = null;

/** Title of a page, which takes the focus after a change of the page. */
export function Title({ text, children }) {
  useEffect(() => {
    document.title = `${text} · hfxbus`;
    // The first page leaves the focus at the begin of the document.
    const isMoved =
      shown !== null && shown !== text && document.activeElement?.closest('input, select, dialog') === null;
    if (isMoved) document.querySelector('h1')?.focus({ preventScroll: true });
    shown = text;
  }, [text]);
  return html`<header class="title"><h1 tabindex="-1">${text}</h1>${children}</header>`;
}

/** Table of rows that fit a phone as well: each cell knows the name of its column. */
export function Table({ caption, columns, rows, className = '' }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${`Table: ${caption}`}>
    <table class=${className}>
      <caption class="unseen">${caption}</caption>
      <thead>
        <tr>${columns.map(
          ({
            name,
            sort,
            isNumber,
            title,
          }) => html`<th scope="col" class=${isNumber ? 'number' : ''} title=${title} aria-sort=${sort?.isActive ? (sort.order ?? 'descending') : undefined}>
          ${sort ? html`<button type="button" onClick=${sort.onClick}>${name}${sort.isActive ? ' ↓' : ''}</button>` : name}
        </th>`,
        )}</tr>
      </thead>
      <tbody>${rows.map(
        ({ key, cells, className: of }) => html`<tr key=${key} class=${of}>
        ${cells.map((cell, at) => html`<td class=${columns[at].isNumber ? 'number' : ''} data-name=${typeof columns[at].name === 'string' ? columns[at].name : ''}>${cell}</td>`)}
      </tr>`,
      )}</tbody>
    </table>
  </div>`;
}

/** Returns the time of the clock, each second. */
export function useNow() {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
