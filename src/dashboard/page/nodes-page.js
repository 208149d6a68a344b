import { Chart } from './chart.js';
import { useLive } from './data.js';
import { bytes, count, duration, percent, rate, UNKNOWN } from './format.js';
import { html } from './html.js';
import { Failure, State, Table, Title } from './parts.js';

export function NodesPage({ query }) {
  const { body, error } = useLive('nodes', query.toString());
  if (body === null) return html`<${Title} text="Nodes" />${error && html`<${Failure} message=${error} />`}`;
  const { nodes } = body.data;
  const { buses } = body.about;
  return html`<${Title} text="Nodes" />
    ${error && html`<${Failure} message=${error} />`}
    <${Table} caption="Servers" columns=${COLUMNS} rows=${nodes.map((node) => ({ key: `${node.bus} ${node.name}`, cells: cells(node, buses) }))} />
    <div class="cards">${nodes.map(
      (node) => html`<section class="card" key=${`${node.bus} ${node.name}`} aria-label=${node.name}>
      <h2>${buses.length > 1 && html`<span class="tag">${buses[node.bus]}</span>`}${node.name}</h2>
      <div>
      <${Chart} title="Memory" columns=${[node.columns[0], node.columns[1]]} lines=${[{ label: 'used', color: 'accent' }]} format=${bytes} height=${110} />
      <${Chart} title="CPU" columns=${[node.columns[0], node.columns[2]]} lines=${[{ label: 'of one core', color: 'accent' }]} format=${percent} height=${110} />
      <${Chart} title="Commands per s" columns=${[node.columns[0], node.columns[3]]} lines=${[{ label: 'all clients', color: 'accent' }]} format=${rate} height=${110} />
      </div>
    </section>`,
    )}</div>`;
}

const COLUMNS = [
  { name: 'State' },
  { name: 'Server' },
  { name: 'Version' },
  { name: 'Role' },
  { name: 'Memory', isNumber: true },
  { name: 'CPU', isNumber: true, title: 'Share of one core' },
  { name: 'Commands / s', isNumber: true },
  { name: 'Clients', isNumber: true },
  { name: 'Blocked', isNumber: true, title: 'Clients in a blocking read, such as idle consumers' },
  { name: 'Streams', isNumber: true },
  { name: 'Up for', isNumber: true },
];

function cells(node, buses) {
  const label = node.isEjected ? 'ejected' : node.isUp ? 'up' : (node.reason ?? 'not connected');
  const limit = node.maxMemory ? html`<span class="muted"> of ${bytes(node.maxMemory)}</span>` : null;
  return [
    html`<${State} state=${node.isUp && !node.isEjected ? 'ok' : 'problem'} label=${label} />`,
    html`${buses.length > 1 && html`<span class="tag">${buses[node.bus]}</span>`}<b>${node.name}</b>`,
    node.version ? `${node.product} ${node.version}` : UNKNOWN,
    node.role === 'master' ? 'primary' : (node.role ?? UNKNOWN),
    html`${bytes(node.memory)}${limit}`,
    percent(node.cpu),
    count(node.ops),
    count(node.clients),
    count(node.blocked),
    count(node.streams),
    node.uptime === null ? UNKNOWN : duration(node.uptime * 1000),
  ];
}
