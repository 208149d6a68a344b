import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from './html.js';

/** Minimum length of the time axis, in s. */
const SHORTEST = 300;

/**
 * Chart of the last hour.
 * @param {{ title: string, columns: number[][], lines: Array<{ label: string, color: string }>, format: Function }} props
 *   `columns` has the times in s, and then the values of each line; `color` is the name of a colour of the style sheet
 */
export function Chart({ title, columns, lines, format, height = 150 }) {
  const place = useRef(null);
  const plot = useRef(null);
  useEffect(() => {
    const draw = () => {
      plot.current?.destroy();
      plot.current = make(place.current, { columns, lines, format, height });
    };
    draw();
    const resized = new ResizeObserver(() => {
      const width = place.current?.clientWidth ?? 0;
      if (width > 0 && plot.current && width !== plot.current.width) plot.current.setSize({ width, height });
    });
    resized.observe(place.current);
    addEventListener('hfxbus-theme', draw);
    return () => {
      resized.disconnect();
      removeEventListener('hfxbus-theme', draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [title, lines.length, height]);
  useEffect(() => plot.current?.setData(columns), [columns]);
  const said = lines.map(({ label }, at) => `${label} ${format(last(columns[at + 1]))}`).join(', ');
  return html`<figure class="chart">
    <figcaption>
      <span>${title}</span>
      ${lines.map(
        ({ label, color }, at) =>
          html`<span class="key"><i class=${color}></i>${label} <b>${format(last(columns[at + 1]))}</b></span>`,
      )}
    </figcaption>
    <div ref=${place} role="img" aria-label=${`${title} over the last hour. Now: ${said}`}></div>
  </figure>`;
}

function last(values = []) {
  return values.length > 0 ? values[values.length - 1] : null;
}

function make(place, { columns, lines, format, height }) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const axis = {
    stroke: color('muted'),
    font: '11px system-ui',
    grid: { stroke: color('line'), width: 1 },
    ticks: { show: false },
  };
  return new uPlot(
    {
      width: place.clientWidth || 300,
      height,
      legend: { show: false },
      cursor: { y: false, points: { size: 5 } },
      scales: {
        x: { time: true, range: (_, least, most) => [Math.min(least, most - SHORTEST), most] },
        y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
      },
      axes: [
        { ...axis, size: 28, space: 70, values: (_, ticks) => ticks.map(clock) },
        { ...axis, size: 58, space: 34, values: (_, ticks) => ticks.map((tick) => format(tick)) },
      ],
      series: [
        {},
        ...lines.map((one) => ({
          stroke: color(one.color),
          width: 1.5,
          points: { show: columns[0].length < 3 },
          spanGaps: false,
        })),
      ],
    },
    columns,
    place,
  );
}

const hours = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

function clock(seconds) {
  return hours.format(seconds * 1000);
}
