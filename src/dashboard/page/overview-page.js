import { useState } from 'preact/hooks';
import { useLive } from './data.js';
import { count, duration, rate, UNKNOWN } from './format.js';
import { html } from './html.js';
import { Empty, Failure, Figure, Name, State, Table, Title } from './parts.js';
import { go, link } from './route.js';
import { Spark } from './spark.js';

/** Streams and groups as a matrix, with the findings of `doctor` on top. */
export function OverviewPage({ query }) {
  const { body, error } = useLive('overview', query.toString());
  if (body === null) return html`<${Title} text="Overview" />${error && html`<${Failure} message=${error} />`}`;
  const { totals, findings, rows, matched, search } = body.data;
  const { buses } = body.about;
  return html`<${Title} text="Overview" />
    ${error && html`<${Failure} message=${error} />`}
    <${Totals} totals=${totals} />
    <${Findings} findings=${findings} buses=${buses} />
    <section aria-labelledby="groups-title">
      <div class="bar">
        <h2 id="groups-title">Streams and groups</h2>
        <${Filters} query=${query} />
      </div>
      ${
        rows.length > 0
          ? html`<${GroupTable} rows=${rows} buses=${buses} query=${query} />
              ${matched > rows.length && html`<p class="note">The first ${rows.length} of ${count(matched)}. Filter or sort to see others.</p>`}`
          : html`<${NoRows} query=${query} search=${search} />`
      }
      ${!search.isComplete && rows.length > 0 && html`<p class="note">Redis is still searched for streams${search.reason ? `: ${search.reason}` : '.'}</p>`}
    </section>`;
}

function NoRows({ query, search }) {
  if (query.get('q') || query.get('state')) {
    return html`<${Empty} title="Nothing matches">No stream or group matches the filter. <a href=${link('overview')}>Show all</a></${Empty}>`;
  }
  if (search.reason) return html`<${Empty} title="Streams are not known">${search.reason}</${Empty}>`;
  if (!search.isComplete)
    return html`<${Empty} title="Searching">Redis is searched for streams of this bus.</${Empty}>`;
  return html`<${Empty} title="No streams yet">A stream appears here with its first job, or when its first consumer starts.</${Empty}>`;
}

function Totals({ totals }) {
  const state = totals.problems > 0 ? 'problem' : totals.warnings > 0 ? 'warning' : '';
  const unwell = totals.problems + totals.warnings;
  return html`<div class="figures" role="group" aria-label="Totals">
    <${Figure} name="Need attention" value=${`${count(unwell)} of ${count(totals.groups)}`} state=${state} />
    <${Figure} name="Waiting" value=${count(totals.lag)} title="Entries that no consumer of a group has got yet" />
    <${Figure} name="Pending" value=${count(totals.pending)} title="Entries that were delivered and are not settled" />
    <${Figure} name="Failing" value=${count(totals.failing)} title="Pending entries that were delivered more than once" />
    <${Figure} name="Dead letters" value=${count(totals.deadLetters)} href=${link('letters')} />
    <${Figure} name="In per s" value=${rate(totals.added)} title="Entries added to all streams" />
    <${Figure} name="Out per s" value=${rate(totals.settled)} title="Entries settled by all groups" />
  </div>`;
}

/** Problems and warnings in full; the rest on request. */
function Findings({ findings, buses }) {
  const [isOpen, setOpen] = useState(false);
  const bad = findings.filter(({ state }) => state !== 'ok');
  const shown = isOpen ? findings : bad.slice(0, 8);
  const hidden = findings.length - shown.length;
  return html`<section class="findings" aria-labelledby="findings-title">
    <h2 id="findings-title" class="unseen">Findings</h2>
    ${bad.length === 0 && !isOpen && html`<p class="fine"><${State} state="ok" label=${`All ${findings.length} checks are fine`} /></p>`}
    <ul>${shown.map(
      (finding) => html`<li class=${finding.state}>
      <${State} state=${finding.state} />
      <span class="check">${finding.check}</span>
      <span class="detail">${
        finding.stream !== undefined && finding.group !== undefined
          ? html`<a href=${link('group', { bus: finding.bus, stream: finding.stream, partitions: finding.partitions && 1, group: finding.group })}>${finding.detail}</a>`
          : finding.detail
      }</span>
      <span class="muted where">${buses.length > 1 ? `${buses[finding.bus]} · ` : ''}${finding.node}</span>
    </li>`,
    )}</ul>
    ${
      (hidden > 0 || isOpen) &&
      html`<button type="button" class="quiet" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      ${isOpen ? 'Show less' : `Show ${hidden} more`}
    </button>`
    }
  </section>`;
}

function Filters({ query }) {
  const change =
    (name) =>
    ({ target }) => {
      const values = Object.fromEntries(query);
      go('overview', { ...values, [name]: target.value });
    };
  return html`<div class="filters">
    <label><span class="unseen">Filter by name</span><input type="search" placeholder="Filter by name" value=${query.get('q') ?? ''} onInput=${change('q')} /></label>
    <label><span class="unseen">State</span><select value=${query.get('state') ?? ''} onChange=${change('state')}>
      <option value="">Any state</option><option value="problem">Problem</option><option value="warning">Warning</option><option value="ok">Fine</option>
    </select></label>
  </div>`;
}

/** Table of groups. A stream has its name in its first row only, unless another order mixes the rows. */
export function GroupTable({ rows, buses, query, isOfStream = false }) {
  const sort = query?.get('sort') ?? '';
  const sortBy = (name, order) =>
    query && {
      isActive: sort === name,
      order,
      onClick: () => go('overview', { ...Object.fromEntries(query), sort: sort === name ? '' : name }),
    };
  const columns = [
    { name: 'State', sort: sortBy('state') },
    ...(isOfStream
      ? []
      : [
          {
            name: 'Stream',
            sort: query && {
              isActive: sort === '',
              order: 'ascending',
              onClick: () => go('overview', { ...Object.fromEntries(query), sort: '' }),
            },
          },
        ]),
    { name: 'Group' },
    {
      name: 'Waiting',
      isNumber: true,
      sort: sortBy('lag'),
      title: 'Entries that are not delivered to the group: its lag',
    },
    {
      name: 'Pending',
      isNumber: true,
      sort: sortBy('pending'),
      title: 'Entries that were delivered and are not settled',
    },
    { name: 'In flight', isNumber: true, title: 'Pending entries with a delivery or lease renewal in the last minute' },
    {
      name: 'Failing',
      isNumber: true,
      sort: sortBy('failing'),
      title: 'Pending entries that were delivered more than once',
    },
    { name: 'Oldest', isNumber: true, sort: sortBy('oldest'), title: 'Age of the oldest entry that is not settled' },
    { name: 'In / s', isNumber: true, sort: sortBy('added'), title: 'Entries added to the stream' },
    { name: 'Out / s', isNumber: true, sort: sortBy('settled'), title: 'Entries settled by the group' },
    { name: 'Consumers', isNumber: true, title: 'Consumers that were active in the last minute, of all' },
  ];
  let before = null;
  const list = rows.map((row) => {
    const id = JSON.stringify([row.bus, row.stream, row.partitions]);
    const isRepeated = before === id && sort === '';
    before = id;
    return {
      key: JSON.stringify([row.bus, row.stream, row.partitions, row.group]),
      className: isRepeated ? 'repeated' : 'first',
      cells: cells(row, { buses, isRepeated, isOfStream }),
    };
  });
  return html`<${Table} caption="Streams and groups" className="groups" columns=${columns} rows=${list} />`;
}

function cells(row, { buses, isRepeated, isOfStream }) {
  const { bus = 0, stream, group, spark } = row;
  const of = { bus, stream, partitions: row.partitions && 1 };
  const extent = [
    row.partitions !== null && `${count(row.partitions)} partitions`,
    row.nodes.length > 1 && `${row.nodes.length} nodes`,
  ]
    .filter(Boolean)
    .join(' · ');
  const name = html`<span class=${isRepeated ? 'again' : ''}>
    ${buses?.length > 1 && html`<span class="tag">${buses[bus]}</span>`}
    <${Name} page="stream" values=${of} text=${stream} />
    ${extent !== '' && html`<span class="muted"> ${extent}</span>`}
  </span>`;
  if (group === null) {
    const kind = row.isDeadLetters
      ? html`<a href=${link('letters', { bus, stream })}>${count(row.length)} dead letters</a>`
      : html`<span class="muted">no groups · ${count(row.length)} entries</span>`;
    const dashes = Array.from({ length: 5 }, () => html`<span class="muted">${UNKNOWN}</span>`);
    return [
      html`<${State} state=${row.state} />`,
      ...(isOfStream ? [] : [name]),
      kind,
      ...dashes,
      numbered(rate(row.added), spark.added),
      UNKNOWN,
      UNKNOWN,
    ];
  }
  const more = row.isSampled ? '' : '+';
  const isQuiet = (value) => (value === 0 ? html`<span class="muted">0</span>` : count(value));
  return [
    html`<${State} state=${row.state} label=${row.reasons.length > 0 ? row.reasons.join(', ') : undefined} />`,
    ...(isOfStream ? [] : [name]),
    html`<${Name} page="group" values=${{ ...of, group }} text=${group} />`,
    numbered(isQuiet(row.lag), spark.lag),
    numbered(isQuiet(row.pending), spark.pending),
    isQuiet(row.inFlight),
    row.failing > 0 ? html`<b class="warning">${count(row.failing)}${more}</b>` : isQuiet(0),
    row.oldest === null ? html`<span class="muted">${UNKNOWN}</span>` : duration(row.oldest),
    numbered(rate(row.added), spark.added),
    numbered(rate(row.settled), spark.settled),
    html`<span title=${`${row.active} active of ${row.consumers}`}>${row.active}<span class="muted"> / ${row.consumers}</span></span>`,
  ];
}

function numbered(value, values) {
  return html`<span class="numbered"><${Spark} values=${values} /><span>${value}</span></span>`;
}
