import { html } from './html.js';

const [WIDTH, HEIGHT] = [54, 18];

/** Line of the last ten minutes, beside its number, which readers of a screen hear instead. */
export function Spark({ values }) {
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  return html`<svg class="spark" width=${WIDTH} height=${HEIGHT} viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true">
    <path class="base" d=${`M0,${HEIGHT - 1.5}h${WIDTH}`} />
    <path d=${line(values, most)} />
  </svg>`;
}

/** Returns the path of a line with its gaps. A single point is a short stroke. */
function line(values, most) {
  const step = WIDTH / (values.length - 1);
  const y = (value) => (HEIGHT - 1.5 - (value / most) * (HEIGHT - 3)).toFixed(1);
  let path = '';
  values.forEach((value, at) => {
    if (value === null) return;
    const isFirst = at === 0 || values[at - 1] === null;
    const isAlone = isFirst && (at === values.length - 1 || values[at + 1] === null);
    const x = (at * step).toFixed(1);
    if (isAlone) path += `M${Math.max(0, x - 1.5)},${y(value)}h3`;
    else path += `${isFirst ? 'M' : 'L'}${x},${y(value)}`;
  });
  return path;
}
