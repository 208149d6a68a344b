'use strict';

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

/** An image of its parts. */
function image({ width, height, title }, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    text(16, 24, title, 'title'),
    ...parts,
    '</svg>\n',
  ].join('\n');
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

/** Colour of one of the subjects. */
function colourOf(name, subjects) {
  const others = subjects.filter((one) => one !== 'ours');
  return name === 'ours' ? OURS : COLOURS[others.indexOf(name) % COLOURS.length];
}

module.exports = { colourOf, image, line, text };
