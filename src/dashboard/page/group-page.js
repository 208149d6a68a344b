import { Chart } from './chart.js';
import { useLive } from './data.js';
import { count, duration, rate, timeOfId, UNKNOWN } from './format.js';
import { html } from './html.js';
import { Empty, Failure, Figure, Name, State, Table, Time, Title } from './parts.js';
import { link } from './route.js';

/** Default of the option `retryLimit`. */
const RETRY_LIMIT = 3;

export function GroupPage({ query }) {
  const { body, error } = useLive('group', query.toString());
  const [stream, group] = [query.get('stream') ?? '', query.get('group') ?? ''];
  const bus = query.get('bus') ?? 0;
  const partitions = query.get('partitions');
  if (body === null) {
    return html`<${Title} text=${`Group ${group}`} />${error && html`<${Empty} title="Not found">${error}</${Empty}>`}`;
  }
  const { data, time } = body;
  const more = data.isSampled ? '' : ' of the oldest 100';
  return html`<${Title} text=${`Group ${group}`}>
      <p class="of">of stream <a href=${link('stream', { bus, stream, partitions })}>${stream}</a>${data.partitions !== null && `, ${count(data.partitions)} partitions`}</p>
      <${State} state=${data.state} label=${data.reasons.join(', ') || 'fine'} />
      ${data.letterStreams.slice(0, 1).map((letters) => html`<a class="button" href=${link('letters', { bus, stream: letters, from: stream, group })}>Show its dead letters</a>`)}
    </${Title}>
    ${error && html`<${Failure} message=${error} />`}
    <div class="figures" role="group" aria-label="Totals">
      <${Figure} name="Waiting" value=${count(data.lag)} title="Entries that are not delivered to the group: its lag" />
      <${Figure} name="Pending" value=${count(data.pending)} />
      <${Figure} name="Oldest not settled" value=${duration(data.oldest)} />
      <${Figure} name="Failing" value=${`${count(data.failing)}${more}`} state=${data.failing > 0 ? 'warning' : ''} title="Delivered more than once" />
      <${Figure} name="Trimmed unread" value=${count(data.trimmed)} state=${data.trimmed > 0 ? 'problem' : ''} title="Entries removed from the stream before the group read them" />
      <${Figure} name="Delivered per s" value=${rate(data.delivered)} />
      <${Figure} name="Settled per s" value=${rate(data.settled)} />
    </div>
    <div class="charts">
      <${Chart} title="Entries" columns=${data.columns.slice(0, 3)} lines=${ENTRIES} format=${count} />
      <${Chart} title="Entries per s" columns=${[data.columns[0], data.columns[3], data.columns[4]]} lines=${RATES} format=${rate} />
    </div>
    <section aria-labelledby="consumers-title"><h2 id="consumers-title">Consumers</h2>
      ${data.consumers.length > 0 ? html`<${Consumers} consumers=${data.consumers} />` : html`<${Empty} title="No consumers">Nobody reads for this group. ${data.lag > 0 && `${count(data.lag)} entries wait.`}</${Empty}>`}
    </section>
    <section aria-labelledby="entries-title">
      <div class="bar"><h2 id="entries-title">Oldest pending entries</h2><${Deliveries} deliveries=${data.deliveries} more=${more} /></div>
      ${data.entries.length > 0 ? html`<${Entries} entries=${data.entries} about=${{ bus, time, isPartitioned: data.partitions !== null }} />` : html`<${Empty} title="Nothing is pending">Every delivered entry is settled.</${Empty}>`}
    </section>`;
}

const ENTRIES = [
  { label: 'waiting', color: 'accent' },
  { label: 'pending', color: 'second' },
];
const RATES = [
  { label: 'in', color: 'accent' },
  { label: 'out', color: 'second' },
];

function Consumers({ consumers }) {
  const columns = [
    { name: 'Consumer' },
    { name: 'Server' },
    { name: 'Pending', isNumber: true },
    {
      name: 'Longest lease',
      isNumber: true,
      title: 'Time since the last delivery or lease renewal of its oldest pending entry',
    },
    { name: 'Delivered again', isNumber: true },
    { name: 'Idle', isNumber: true, title: 'Time since its last command' },
  ];
  const rows = consumers.map((one) => ({
    key: `${one.node} ${one.name}`,
    cells: [
      html`<code>${one.name}</code>`,
      one.node,
      count(one.pending),
      duration(one.longestLease),
      count(one.redelivered),
      duration(one.idle),
    ],
  }));
  return html`<${Table} caption="Consumers" columns=${columns} rows=${rows} />
    <p class="note">Redis does not know the version of a consumer.</p>`;
}

/** Numbers of pending entries by deliveries. */
function Deliveries({ deliveries, more }) {
  if (deliveries.length === 0) return null;
  const text = deliveries.map(
    ({ deliveries: times, count: number }) => `${count(number)} delivered ${times === 1 ? 'once' : `${times} times`}`,
  );
  return html`<p class="muted">${text.join(', ')}${more}</p>`;
}

function Entries({ entries, about: { bus, time, isPartitioned } }) {
  const columns = [
    { name: 'Entry' },
    ...(isPartitioned ? [{ name: 'Partition' }] : []),
    { name: 'Sent' },
    { name: 'Owner' },
    { name: 'Idle', isNumber: true, title: 'Time since the last delivery or lease renewal' },
    { name: 'Deliveries', isNumber: true, title: `The default of retryLimit is ${RETRY_LIMIT}` },
  ];
  const rows = entries.map(({ id, node, stream, owner, idle, deliveries }) => ({
    key: `${node} ${stream} ${id}`,
    cells: [
      html`<a href=${link('entry', { bus, stream, id })}><code>${id}</code></a>`,
      ...(isPartitioned ? [html`<${Name} page="stream" values=${{ bus, stream }} text=${stream} />`] : []),
      html`<${Time} at=${timeOfId(id)} now=${time} />`,
      html`<code>${owner === '' ? UNKNOWN : owner}</code>`,
      duration(idle),
      html`<span class=${deliveries >= RETRY_LIMIT ? 'warning' : ''}>${deliveries}</span>`,
    ],
  }));
  return html`<${Table} caption="Oldest pending entries" columns=${columns} rows=${rows} />`;
}
