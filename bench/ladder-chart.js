'use strict';

const { spread } = require('./numbers.js');
const { networkText } = require('./report.js');
const { colourOf, image, line, text } = require('./svg.js');
const { written } = require('./table.js');

/** Scenarios with one case per delay: the program of each subject, and the README's program of this package. */
const LADDER = 'S15';
const README_LADDER = 'S16';

const WIDTH = 860;
const HEIGHT = 476;
const PLOT = { left: 56, right: 580, top: 50, bottom: 392 };
/** Least distance of two labels. */
const LABEL_STEP = 16;

/**
 * Draws the median time of a round trip over the delay of the network. The slope of a line is the number of sequential trips.
 * @param {object} found what a run has written as JSON
 * @returns {string} an SVG
 */
function ladderChart({ date, machine, network, subjects: versions, rounds, cases }) {
  const subjects = Object.keys(versions);
  const curves = [
    ...subjects.map((name) => curveOf(name, name, LADDER, cases)),
    curveOf('ours', 'ours, README', README_LADDER, cases),
  ].filter(({ points }) => points.length > 0);
  const points = curves.flatMap((curve) => curve.points);
  const most = { delay: maximum(points.map(({ delay }) => delay)), time: maximum(points.map(({ time }) => time.max)) };
  const at = {
    x: (delay) => PLOT.left + (delay / most.delay) * (PLOT.right - PLOT.left),
    y: (time) => PLOT.bottom - (time / most.time) * (PLOT.bottom - PLOT.top),
  };
  const about = `${Object.values(machine).join(', ')}; ${date.slice(0, 10)}; ${rounds} rounds`;
  return image({ width: WIDTH, height: HEIGHT, title: 'Time of a round trip, one in flight, in ms' }, [
    ...axes(points, at),
    ...curves.map((curve) => drawn(curve, subjects, at)),
    ...labels(curves, { subjects, at, network }),
    text(PLOT.left, PLOT.bottom + 36, 'delay of the network there and back, in ms', 'small'),
    text(16, HEIGHT - 28, about, 'small'),
    text(16, HEIGHT - 12, network ? networkText(network) : '', 'small'),
  ]);
}

/** The times of a subject, by delay. */
function curveOf(name, label, ladder, cases) {
  const played = cases.filter(({ scenario, measured }) => scenario === ladder && measured[name]);
  const points = played.map(({ delay, measured }) => ({ delay, time: spread(measured[name].map(({ p50 }) => p50)) }));
  return { name, label, isDashed: ladder === README_LADDER, points };
}

/** At least 1, so that an empty chart has axes. */
function maximum(values) {
  return Math.max(1, ...values);
}

function axes(points, at) {
  const delays = [...new Set(points.map(({ delay }) => delay))];
  return [
    line('range', PLOT.left, PLOT.bottom, PLOT.right, PLOT.bottom),
    ...delays.flatMap((delay) => [
      line('one', at.x(delay), PLOT.top, at.x(delay), PLOT.bottom),
      text(at.x(delay) - 4, PLOT.bottom + 18, String(delay), 'small'),
    ]),
  ];
}

function drawn({ name, isDashed, points }, subjects, at) {
  const colour = colourOf(name, subjects);
  const path = points.map(({ delay, time }) => `${at.x(delay).toFixed(1)},${at.y(time.median).toFixed(1)}`).join(' ');
  const dashes = isDashed ? ' stroke-dasharray="6 4"' : '';
  const marks = points.map(({ delay, time }) => {
    const x = at.x(delay);
    const range = line('range', x, at.y(time.min).toFixed(1), x, at.y(time.max).toFixed(1));
    return `${range}<circle cx="${x.toFixed(1)}" cy="${at.y(time.median).toFixed(1)}" r="3" fill="${colour}"/>`;
  });
  return [`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dashes}/>`, ...marks].join('');
}

/** Labels at the ends of the lines, from top to bottom, without overlap. */
function labels(curves, { subjects, at, network }) {
  const ends = curves
    .map((curve) => ({ curve, y: at.y(curve.points.at(-1).time.median) }))
    .sort((left, right) => left.y - right.y);
  // All labels have a place above the axis.
  const lowest = (rank) => PLOT.bottom - (ends.length - 1 - rank) * LABEL_STEP;
  let above = PLOT.top - LABEL_STEP;
  return ends.map(({ curve, y }, rank) => {
    above = Math.max(Math.min(y, lowest(rank)), above + LABEL_STEP);
    const words = `${curve.label}: ${written(curve.points.at(-1).time.median)} ms${trips(curve, network)}`;
    const square = `<rect x="${PLOT.right + 12}" y="${(above - 6).toFixed(1)}" width="11" height="11" rx="2" fill="${colourOf(curve.name, subjects)}"/>`;
    return square + text(PLOT.right + 28, (above + 4).toFixed(1), words, curve.name === 'ours' ? 'ours' : '');
  });
}

/** Number of sequential trips: the increase of the time over that of a PING. */
function trips({ points }, network) {
  const [first, last] = [points[0], points.at(-1)];
  if (first.delay === last.delay) return '';
  const ping = ({ delay }) => network?.pings[delay] ?? delay;
  return `, ${((last.time.median - first.time.median) / (ping(last) - ping(first))).toFixed(1)} trips`;
}

module.exports = { ladderChart };
