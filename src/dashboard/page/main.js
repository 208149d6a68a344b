import { render } from 'preact';
import { usePulse } from './data.js';
import { duration } from './format.js';
import { GroupPage } from './group-page.js';
import { html } from './html.js';
import { EntryPage, JobPage } from './job-page.js';
import { LettersPage } from './letters-page.js';
import { NodesPage } from './nodes-page.js';
import { OverviewPage } from './overview-page.js';
import { Empty, Title, useNow } from './parts.js';
import { link, useRoute } from './route.js';
import { Search } from './search.js';
import { StreamPage } from './stream-page.js';
import { Theme } from './theme.js';

const PAGES = {
  overview: OverviewPage,
  stream: StreamPage,
  group: GroupPage,
  job: JobPage,
  entry: EntryPage,
  letters: LettersPage,
  nodes: NodesPage,
};
const LINKS = { overview: 'Overview', letters: 'Dead letters', nodes: 'Nodes' };
/** Age from which live figures are late, in ms. */
const LATE = 15_000;
const BELOW = { stream: 'overview', group: 'overview' };

function App() {
  const { page, query } = useRoute();
  const Page = PAGES[page];
  const skip = (event) => {
    event.preventDefault();
    document.querySelector('h1')?.focus();
  };
  return html`<a class="skip" href="#content" onClick=${skip}>Skip to the content</a>
    <header class="top">
      <a class="brand" href=${link('overview')}>hfxbus</a>
      <nav aria-label="Pages">${Object.entries(LINKS).map(([name, text]) => html`<a href=${link(name)} aria-current=${(BELOW[page] ?? page) === name ? 'page' : undefined}>${text}</a>`)}</nav>
      <${Search} />
      <${Pulse} />
      <${Theme} />
    </header>
    <main id="content">${Page ? html`<${Page} query=${query} />` : html`<${Title} text="Not found" /><${Empty} title="There is no such page"><a href=${link('overview')}>Go to the overview</a></${Empty}>`}</main>`;
}

/** Age of the figures, which every page brings. */
function Pulse() {
  const { body, error, isLive } = usePulse();
  const now = useNow();
  if (body === null && error === null) return html`<span class="pulse">…</span>`;
  const { down } = body?.about ?? { down: 0 };
  // Both differences are of one clock each, so that the clock of the reader has no effect.
  const age = body ? Math.max(0, body.time - body.polledAt) + Math.max(0, now - body.arrivedAt) : 0;
  const isLate = error !== null || (isLive && age > LATE) || down > 0;
  const text = error !== null ? 'no connection' : down > 0 ? `${down} down` : isLive ? 'live' : `${duration(age)} ago`;
  return html`<span class="pulse ${isLate ? 'late' : ''} ${isLive && !isLate ? 'live' : ''}" title=${error ?? `Figures are ${duration(age)} old`}><i aria-hidden="true"></i>${text}</span>`;
}

const place = document.getElementById('page');
place.replaceChildren();
render(html`<${App} />`, place);
