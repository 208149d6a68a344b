'use strict';

const { run } = require('../command.js');
const { TOOLS, tool } = require('./tools.js');

/** Programs that know what is wrong with packages, and with their types; `node` is the oldest one that they run with. */
const JUDGES = [
  { name: 'publint', args: [tool('publint', 'src/cli.js'), 'run', '--strict'], node: 18 },
  {
    name: '@arethetypeswrong/cli',
    args: [tool('@arethetypeswrong/cli', 'dist/index.js'), '--no-definitely-typed'],
    node: 20,
  },
]
  .filter(({ node }) => Number.parseInt(process.versions.node, 10) >= node)
  .map(({ name, args }) => ({ name: `${name} ${TOOLS[name]}`, judge: (tarball) => judge([...args, tarball]) }));

/** Rejects with what there is to say against a package. */
async function judge(args) {
  const { code, output } = await run(process.execPath, args, { show: false });
  if (code !== 0) throw new Error(output.trim());
}

module.exports = { JUDGES };
