'use strict';

const { spread } = require('./numbers.js');
const { written } = require('./table.js');

/** Drawn cases, at loads of real programs. */
const SHOWN = ['S1/64', 'S2/64', 'S3/1', 'S3/16', 'S3/128', 'S4/1', 'S4/16', 'S4/128'];
/** Subject that is the unit, if it took part. */
const BASE = 'hfxbus@2.2.0';

const WIDTH = 860;
const BAR = { left: 250, right: 150, height: 13, step: 17 };
const GROUP_GAP = 14;
const TOP = 66;
const BOTTOM = 34;

const OURS = '#e8590c';
const COLOURS = ['#868e96', '#1c7ed6', '#2f9e44', '#9c36b5', '#c2a200', '#0c8599'];

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #212529 }
  .title { font-size: 15px; font-weight: 600 } .small { font-size: 11px; fill: #6c757d } .ours { font-weight: 600 }
  .range { stroke: #212529; stroke-width: 1; opacity: .55 }
  .one { stroke: #adb5bd; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e9ecef } .small { fill: #adb5bd } .range { stroke: #f8f9fa } .one { stroke: #6c757d }
  }`;

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
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>Jobs a second, ${escaped(base)} = 1</title>`,
    `<style>${STYLE}\n</style>`,
    text(16, 24, `Jobs a second, ${base} = 1`, 'title'),
    legend(subjects),
    line('one', BAR.left + scale, TOP - 8, BAR.left + scale, height - BOTTOM),
    ...drawn(groups, subjects, scale),
    text(16, height - 12, about, 'small'),
    '</svg>\n',
  ].join('\n');
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

function colourOf(name, subjects) {
  const others = subjects.filter((one) => one !== 'ours');
  return name === 'ours' ? OURS : COLOURS[others.indexOf(name) % COLOURS.length];
}

function line(kind, x1, y1, x2, y2) {
  const [from, to] = [x1, x2].map((x) => x.toFixed(1));
  return `<line class="${kind}" x1="${from}" y1="${y1}" x2="${to}" y2="${y2}"/>`;
}

function text(x, y, words, kind) {
  const named = kind ? ` class="${kind}"` : '';
  return `<text x="${typeof x === 'number' ? x.toFixed(1) : x}" y="${y}"${named}>${escaped(words)}</text>`;
}

function escaped(words) {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

module.exports = { chart };
