import { Chart } from './chart.js';
import { useLive } from './data.js';
import { count, rate, timeOfId, UNKNOWN } from './format.js';
import { html } from './html.js';
import { GroupTable } from './overview-page.js';
import { Empty, Failure, Figure, Name, Table, Time, Title } from './parts.js';
import { link } from './route.js';

const COLORS = ['accent', 'second', 'third', 'fourth'];

export function StreamPage({ query }) {
  const { body, error } = useLive('stream', query.toString());
  const name = query.get('stream') ?? '';
  const bus = query.get('bus') ?? 0;
  if (body === null) {
    return html`<${Title} text=${`Stream ${name}`} />${error && html`<${Empty} title="Not found">${error}</${Empty}>`}`;
  }
  const { partitions, totals, parts, partCount, retention, rows, history, isDeadLetters } = body.data;
  const lines = history.filter(({ group }) => group !== null).slice(0, 4);
  const shown = lines.map(({ group }, at) => ({ label: group, color: COLORS[at] }));
  return html`<${Title} text=${`Stream ${name}`}>
      ${isDeadLetters && html`<a class="button" href=${link('letters', { bus, stream: name })}>Show its dead letters</a>`}
    </${Title}>
    ${error && html`<${Failure} message=${error} />`}
    <div class="figures" role="group" aria-label="Totals">
      <${Figure} name="Entries" value=${count(totals.length)} />
      ${partitions !== null && html`<${Figure} name="Partitions" value=${count(partitions)} title="Streams in Redis that are used as one" />`}
      <${Figure} name="Ever added" value=${count(totals.entriesAdded)} />
      <${Figure} name="In per s" value=${rate(totals.added)} />
      <${Figure} name="Groups" value=${count(rows.filter(({ group }) => group !== null).length)} />
      ${retention && html`<${Figure} name="Removed" value=${count(retention.removed)} title="Entries that are gone, of a stream with retention" />`}
    </div>
    ${retention && html`<${Retention} retention=${retention} now=${body.time} />`}
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
    ${
      partitions === null
        ? html`<section aria-labelledby="parts-title"><h2 id="parts-title">Servers</h2>
            <${Parts} caption="Servers of the stream" parts=${parts} now=${body.time} />
          </section>`
        : html`<details class="parts"><summary>${count(partCount)} of ${count(partitions)} partitions have entries or groups</summary>
            <${Parts} caption="Partitions of the stream" parts=${parts} now=${body.time} linked=${bus} />
            ${partCount > parts.length && html`<p class="note">The first ${parts.length} of ${count(partCount)}. The search finds others by name.</p>`}
          </details>`
    }`;
}

/** Sentence on the entries that retention has removed, and on the group that holds the rest. */
function Retention({ retention: { removed: number, below, heldBy }, now }) {
  const unknown = 'Before Redis 7 it is not known what retention has removed.';
  const removed = below
    ? html`The entries that retention has removed are below <code>${below.id}</code>, <${Time} at=${timeOfId(below.id)} now=${now} />.`
    : number === null
      ? unknown
      : 'Retention has removed no entry yet.';
  const entry = heldBy?.entry && html`, whose entry <code>${heldBy.entry}</code> is pending`;
  const held = heldBy ? html` The slowest group is ${heldBy.group}${entry}.` : ' No group holds an entry.';
  return html`<p class="note">${removed}${held}</p>`;
}

/** Table of the servers of a stream, or of its partitions with links, if `linked` is the number of the bus. */
function Parts({ caption, parts, now, linked }) {
  const columns = linked === undefined ? PARTS : [{ name: 'Partition' }, ...PARTS];
  const rows = parts.map((part) => ({
    key: `${part.node} ${part.stream}`,
    cells: [
      ...(linked === undefined
        ? []
        : [html`<${Name} page="stream" values=${{ bus: linked, stream: part.stream }} text=${part.stream} />`]),
      part.node,
      count(part.length),
      count(part.waiting),
      count(part.pending),
      count(part.entriesAdded),
      rate(part.added),
      part.oldest ? html`<${Time} at=${timeOfId(part.oldest.id)} now=${now} />` : UNKNOWN,
      html`<code>${part.isHeavy ? UNKNOWN : part.lastId}</code>`,
    ],
  }));
  return html`<${Table} caption=${caption} columns=${columns} rows=${rows} />`;
}

const PARTS = [
  { name: 'Server' },
  { name: 'Entries', isNumber: true },
  { name: 'Waiting', isNumber: true, title: 'Entries that are not delivered, of all groups' },
  { name: 'Pending', isNumber: true, title: 'Entries that were delivered and are not settled, of all groups' },
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
