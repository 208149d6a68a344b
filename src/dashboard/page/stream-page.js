import { Chart } from './chart.js';
import { useLive } from './data.js';
import { count, rate, timeOfId, UNKNOWN } from './format.js';
import { html } from './html.js';
import { GroupTable } from './overview-page.js';
import { Empty, Failure, Figure, Table, Time, Title } from './parts.js';
import { link } from './route.js';

const COLORS = ['accent', 'second', 'third', 'fourth'];

export function StreamPage({ query }) {
  const { body, error } = useLive('stream', query.toString());
  const name = query.get('stream') ?? '';
  const bus = query.get('bus') ?? 0;
  if (body === null) {
    return html`<${Title} text=${`Stream ${name}`} />${error && html`<${Empty} title="Not found">${error}</${Empty}>`}`;
  }
  const { parts, rows, history, isDeadLetters } = body.data;
  const total = (of) => parts.reduce((sum, part) => (part[of] === null || sum === null ? null : sum + part[of]), 0);
  const lines = history.filter(({ group }) => group !== null).slice(0, 4);
  const shown = lines.map(({ group }, at) => ({ label: group, color: COLORS[at] }));
  return html`<${Title} text=${`Stream ${name}`}>
      ${isDeadLetters && html`<a class="button" href=${link('letters', { bus, stream: name })}>Show its dead letters</a>`}
    </${Title}>
    ${error && html`<${Failure} message=${error} />`}
    <div class="figures" role="group" aria-label="Totals">
      <${Figure} name="Entries" value=${count(total('length'))} />
      <${Figure} name="Ever added" value=${count(total('entriesAdded'))} />
      <${Figure} name="In per s" value=${rate(total('added'))} />
      <${Figure} name="Groups" value=${count(rows.filter(({ group }) => group !== null).length)} />
    </div>
    ${
      lines.length > 0 &&
      html`<div class="charts">
        <${Chart} title="Waiting" columns=${joined(lines, 1)} lines=${shown} format=${count} />
        <${Chart} title="Pending" columns=${joined(lines, 2)} lines=${shown} format=${count} />
      </div>`
    }
    <section aria-labelledby="groups-title"><h2 id="groups-title">Groups</h2>
      ${
        rows.some(({ group }) => group !== null)
          ? html`<${GroupTable} rows=${rows.map((row) => ({ ...row, bus }))} isOfStream />`
          : html`<${Empty} title="No groups">No consumer has read this stream, so no group waits for its entries.</${Empty}>`
      }
    </section>
    <section aria-labelledby="parts-title"><h2 id="parts-title">Servers</h2>
      <${Table} caption="Servers of the stream" columns=${PARTS} rows=${parts.map((part) => ({
        key: part.node,
        cells: [
          part.node,
          count(part.length),
          count(part.entriesAdded),
          rate(part.added),
          part.oldest ? html`<${Time} at=${timeOfId(part.oldest.id)} now=${body.time} />` : UNKNOWN,
          html`<code>${part.isHeavy ? UNKNOWN : part.lastId}</code>`,
        ],
      }))} />
    </section>`;
}

const PARTS = [
  { name: 'Server' },
  { name: 'Entries', isNumber: true },
  { name: 'Ever added', isNumber: true },
  { name: 'In / s', isNumber: true },
  { name: 'Oldest entry' },
  { name: 'Last id' },
];

/** Joins one figure of several series over the times of all. */
function joined(series, at) {
  const times = [...new Set(series.flatMap(({ columns }) => columns[0]))].sort((left, right) => left - right);
  return [
    times,
    ...series.map(({ columns }) => {
      const values = new Map(columns[0].map((time, index) => [time, columns[at][index]]));
      return times.map((time) => values.get(time) ?? null);
    }),
  ];
}
