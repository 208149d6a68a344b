'use strict';

const path = require('node:path');

/** The package under test and the one it has to be like. */
const everySubject = [
  { name: '2.2.0', env: 'original', file: 'hfxbus-original' },
  { name: 'ours', env: 'ours', file: path.resolve(__dirname, '..', '..', 'index.js') },
].map((subject) => ({ ...subject, file: require.resolve(subject.file) }));

/** Restriction of a run by HFXBUS_SUBJECT: `original` or `ours`. */
const subjects = everySubject.filter(({ env }) => [undefined, '', env].includes(process.env.HFXBUS_SUBJECT));

module.exports = { everySubject, subjects };
