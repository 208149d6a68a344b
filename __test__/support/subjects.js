'use strict';

const path = require('node:path');

/** The package under test and the one it has to be like. */
const ALL = [
  { name: '2.2.0', env: 'original', file: 'hfxbus-original' },
  { name: 'ours', env: 'ours', file: path.resolve(__dirname, '..', '..', 'index.js') },
];

/** What a run is restricted to by HFXBUS_SUBJECT: `original` or `ours`. */
const subjects = ALL.filter(({ env }) => [undefined, '', env].includes(process.env.HFXBUS_SUBJECT)).map((subject) => ({
  ...subject,
  file: require.resolve(subject.file),
}));

module.exports = { subjects };
