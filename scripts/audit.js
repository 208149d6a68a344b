'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { ROOT, run, runNpm } = require('./command.js');
const { exists } = require('./program.js');
const { say } = require('./say.js');
const { linkedCrates } = require('./supply/crates.js');
const { licensesOf } = require('./supply/licenses.js');
const { FILE, isFresh, writeNotices } = require('./supply/notices.js');
const { compareBuilds } = require('./supply/reproduction.js');
const { billOfMaterials } = require('./supply/sbom.js');

const DIST = path.join(ROOT, 'dist');
/** Errors of cargo-deny that say that it has no advisories. */
const UNFETCHED = /failed to (?:fetch advisory database|get 'FETCH_HEAD' metadata)/i;
/** Errors of `npm audit` that say nothing about packages. */
const UNREACHABLE = /audit endpoint returned an error|ENOTFOUND|ECONNREFUSED|EAI_AGAIN/;

/** An audit that this machine cannot do. It is no failure, unless `--strict` is given. */
class NotPossible extends Error {}

/** Audits, in order. Each rejects on a finding. */
const AUDITS = [
  { name: 'licences of the linked crates', run: auditLicenses },
  { name: `notices in ${FILE}`, run: auditNotices },
  { name: 'advisories on crates, by cargo-deny', run: auditCrates },
  { name: 'advisories on packages, by npm audit', run: auditPackages },
  { name: 'bill of materials', run: writeBill },
];
const REPRODUCTION = { name: 'same bytes from two folders', run: compareBuilds };

/**
 * Audits what is published.
 *
 * @param {string[]} args `--write` writes the notices anew, `--strict` requires every audit, `--reproducible` builds twice
 * @returns {Promise<number>} exit code
 */
async function audit(args) {
  const crates = linkedCrates();
  if (args.includes('--write')) writeNotices(crates);
  let isFine = true;
  for (const { name, run: act } of args.includes('--reproducible') ? [...AUDITS, REPRODUCTION] : AUDITS) {
    try {
      say(`fine: ${name}: ${await act(crates)}`);
    } catch (error) {
      const isMissing = error instanceof NotPossible;
      say(`${isMissing ? 'NOT DONE' : 'FAILED'}: ${name}: ${error.message}`);
      isFine &&= isMissing && !args.includes('--strict');
    }
  }
  return isFine ? 0 : 1;
}

async function auditLicenses(crates) {
  const refused = crates.filter(({ license }) => !licensesOf(license));
  if (refused.length > 0) {
    throw new Error(refused.map(({ name, version, license }) => `${name} ${version}: ${license || 'none'}`).join(', '));
  }
  const chosen = [...new Set(crates.flatMap(({ license }) => licensesOf(license)))].sort();
  return `${crates.length} crates, ${chosen.join(', ')}`;
}

async function auditNotices(crates) {
  if (!isFresh(crates)) throw new Error('it is older than Cargo.lock: npm run audit -- --write');
  return 'as Cargo.lock has it';
}

async function auditCrates() {
  if (!exists('cargo', ['deny', '--version'])) {
    throw new NotPossible('cargo-deny is missing (cargo install cargo-deny --locked)');
  }
  const online = await deny([]);
  if (online.isFine) return online.summary;
  if (!UNFETCHED.test(online.output)) throw new Error(`\n${online.output}`);
  const offline = await deny(['--offline']);
  if (offline.isFine) return `${offline.summary}, with the advisories that were downloaded before`;
  if (!UNFETCHED.test(offline.output)) throw new Error(`\n${offline.output}`);
  throw new NotPossible('the advisories cannot be downloaded');
}

async function deny(options) {
  const { code, output } = await run('cargo', ['deny', '--locked', ...options, 'check'], { show: false });
  return { isFine: code === 0, output: output.trim(), summary: output.trim().split('\n').at(-1) };
}

async function auditPackages() {
  const audited = await runNpm(['audit', '--omit=dev', '--loglevel=warn'], { show: false }).catch((error) => error);
  if (!audited) return 'none';
  const [, reason] = /\b(\d{3} [A-Z][\w ]+) - /.exec(audited.message) ?? [];
  if (UNREACHABLE.test(audited.message))
    throw new NotPossible(`the registry does not answer: ${reason ?? 'no connection'}`);
  throw audited;
}

async function writeBill(crates) {
  const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
  fs.mkdirSync(DIST, { recursive: true });
  const file = path.join(DIST, `hfxbus-${version}.cdx.json`);
  const bill = billOfMaterials(crates);
  fs.writeFileSync(file, bill);
  return `${path.relative(ROOT, file)}, ${JSON.parse(bill).components.length} components`;
}

audit(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    console.error(`hfxbus: ${error.message}`);
    process.exit(1);
  },
);
