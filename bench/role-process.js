'use strict';

const { createRequire } = require('node:module');
const path = require('node:path');

const { name, adapter, folder, options } = JSON.parse(process.argv[2]);
const { Part } = require(`./roles/${name}.js`);

/** Finds what is installed beside the package as well. */
const load = createRequire(path.join(folder, 'package.json'));
const part = new Part(require(adapter).program(require(folder), options, load), options);

process.on('message', async ({ call, method, args }) => {
  try {
    process.send({ call, result: await part[method](...args) });
  } catch (error) {
    process.send({ call, error: error?.stack ?? JSON.stringify(error) });
  }
});
process.on('disconnect', () => process.exit(1));
