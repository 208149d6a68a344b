'use strict';

const { name, adapter, folder, options } = JSON.parse(process.argv[2]);
const { Part } = require(`./roles/${name}.js`);

const part = new Part(require(adapter).program(require(folder), options), options);

process.on('message', async ({ call, method, args }) => {
  try {
    process.send({ call, result: await part[method](...args) });
  } catch (error) {
    process.send({ call, error: error?.stack ?? JSON.stringify(error) });
  }
});
process.on('disconnect', () => process.exit(1));
