/** Text for an unknown value. */
export const UNKNOWN = '–';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
];

/** Returns a count with separators; from a million on it is shortened. */
export function count(value) {
  if (value === null || value === undefined) return UNKNOWN;
  return Math.abs(value) >= 1e6 ? short.format(value) : whole.format(value);
}

/** Returns a rate per second. */
export function rate(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (value === 0) return '0';
  if (value < 0.1) return '<0.1';
  return value < 10 ? value.toFixed(1) : count(Math.round(value));
}

/** Returns a time in ms with its two largest units, such as `2 h 5 min`. */
export function duration(ms) {
  if (ms === null || ms === undefined) return UNKNOWN;
  const at = UNITS.findIndex(([, size]) => ms >= size);
  if (at < 0) return `${Math.max(0, Math.round(ms))} ms`;
  const [unit, size] = UNITS[at];
  const large = Math.floor(ms / size);
  const next = UNITS[at + 1];
  const rest = next && large < 10 ? Math.floor((ms % size) / next[1]) : 0;
  return rest > 0 ? `${large} ${unit} ${rest} ${next[0]}` : `${large} ${unit}`;
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Returns a size in bytes with a unit. */
export function bytes(value) {
  if (value === null || value === undefined) return UNKNOWN;
  const power = value < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
  const number = value / 1024 ** power;
  return `${power === 0 || number >= 100 ? Math.round(number) : number.toFixed(1)} ${SIZES[power]}`;
}

export function percent(value) {
  return value === null || value === undefined ? UNKNOWN : `${Math.round(value * 100)} %`;
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

/** Returns a time in the zone of the reader; another day has its date. */
export function time(ms) {
  const isToday = new Date(ms).toDateString() === new Date().toDateString();
  return isToday ? clock.format(ms) : full.format(ms);
}

export function fullTime(ms) {
  return full.format(ms);
}

/** Returns the time of an entry's id, in ms. */
export function timeOfId(id) {
  return Number(id.split('-')[0]);
}
