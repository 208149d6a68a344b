'use strict';

const { spread } = require('./numbers.js');
const { colourOf, image, line, text } = require('./svg.js');
const { written } = require('./table.js');

/** Drawn cases, at loads of real programs. */
const SHOWN = [
  ...['S1/64', 'S2/64', 'S3/1', 'S3/16', 'S3/128', 'S4/1', 'S4/16', 'S4/128'],
  ...['S11/1', 'S11/16', 'S11/128', 'S12/1', 'S13/1'],
];
/** Subject that is the unit, if it took part. */
const BASE = 'hfxbus@2.2.0';

const WIDTH = 860;
const BAR = { left: 250, right: 150, height: 13, step: 17 };
const GROUP_GAP = 14;
const TOP = 66;
const BOTTOM = 34;

/**
 * Draws how many times as many jobs a second each subject does as 2.2.0 in the same round: medians, with lines from the
 * least to the most.
 * @param {object} found what a run has written as JSON
 * @returns {string} an SVG
 */
function chart({ date, machine, subjects: versions, rounds, cases }) {
  const subjects = Object.keys(versions);
  const base = [BASE, ...subjects].find((name) => subjects.includes(name));
  const shown = cases.filter(({ scenario, id, measured }) => SHOWN.includes(`${scenario}/${id}`) && measured[base]);
  const groups = shown.map((one) => ({ label: labelOf(one), bars: barsOf(one, subjects, base) }));
  const longest = Math.max(1, ...groups.flatMap(({ bars }) => bars.map(({ ratio }) => ratio.max)));
  const scale = (WIDTH - BAR.left - BAR.right) / longest;
  const height = groups.reduce((sum, { bars }) => sum + bars.length * BAR.step + GROUP_GAP, TOP) + BOTTOM;
  const about = `${Object.values(machine).join(', ')}; ${date.slice(0, 10)}; ${rounds} rounds, median, least and most`;
  return image({ width: WIDTH, height, title: `Jobs a second, ${base} = 1` }, [
    legend(subjects),
    line('one', BAR.left + scale, TOP - 8, BAR.left + scale, height - BOTTOM),
    ...drawn(groups, subjects, scale),
    text(16, height - 12, about, 'small'),
  ]);
}

function labelOf({ scenario, title, label }) {
  return { scenario, title: `${scenario} ${title}`, load: label.replace(', two processes', '') };
}

/** A bar for each subject that took part. */
function barsOf({ measured }, subjects, base) {
  const taking = subjects.filter((name) => measured[name]);
  return taking.map((name) => ({
    name,
    ratio: spread(measured[name].map(({ rate }, round) => rate / measured[base][round].rate)),
    rate: spread(measured[name].map(({ rate }) => rate)).median,
  }));
}

function legend(subjects) {
  let left = 16;
  return subjects
    .map((name) => {
      const square = `<rect x="${left}" y="36" width="11" height="11" rx="2" fill="${colourOf(name, subjects)}"/>`;
      const label = text(left + 16, 46, name, name === 'ours' ? 'ours' : '');
      left += 32 + name.length * 7;
      return square + label;
    })
    .join('\n');
}

function drawn(groups, subjects, scale) {
  let top = TOP;
  return groups.map(({ label, bars }) => {
    const parts = [text(16, top + 11, label.title), text(16, top + 27, label.load, 'small')];
    for (const bar of bars) {
      parts.push(drawBar(bar, colourOf(bar.name, subjects), top, scale));
      top += BAR.step;
    }
    top += GROUP_GAP;
    return parts.join('\n');
  });
}

function drawBar({ name, ratio, rate }, colour, top, scale) {
  const width = (ratio.median * scale).toFixed(1);
  const middle = top + BAR.height / 2;
  const at = (value) => BAR.left + value * scale;
  const words = `${written(ratio.median)}  (${Math.round(rate).toLocaleString('en')}/s)`;
  return [
    `<rect x="${BAR.left}" y="${top}" width="${width}" height="${BAR.height}" rx="2" fill="${colour}"/>`,
    line('range', at(ratio.min), middle, at(ratio.max), middle),
    text(at(ratio.max) + 6, top + 11, words, name === 'ours' ? 'ours' : ''),
  ].join('');
}

module.exports = { chart };
