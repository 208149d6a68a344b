#!/usr/bin/env node
'use strict';

const { spawnSync } = require('node:child_process');

/**
 * cargo for napi's command line, which knows `cargo build` alone. cargo leaves `lto` of the profile out if a crate has the type
 * rlib besides cdylib, and the tests for cargo need the rlib. So a build becomes `cargo rustc` with the one type.
 */
const [verb, ...args] = process.argv.slice(2);
const asked = verb === 'build' ? ['rustc', ...args, '--lib', '--crate-type', 'cdylib'] : [verb, ...args];
const { CARGO, ...env } = process.env;
const { status, error } = spawnSync('cargo', asked, { stdio: 'inherit', env });
if (error) throw error;
process.exit(status ?? 1);
