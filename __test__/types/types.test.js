'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const ts = require('typescript');

const ROOT = path.resolve(__dirname, '..', '..');
const { ModuleKind, ModuleResolutionKind } = ts;

/** Users compile like this; `skipLibCheck` hides nothing. */
const STRICT = {
  strict: true,
  noEmit: true,
  skipLibCheck: false,
  target: ts.ScriptTarget.ES2020,
  types: ['node'],
  typeRoots: [path.join(ROOT, 'node_modules', '@types')],
  paths: {
    hfxbus: [path.join(ROOT, 'index.d.ts')],
    'hfxbus/testing': [path.join(ROOT, 'testing.d.ts')],
    'hfxbus/dashboard': [path.join(ROOT, 'dashboard.d.ts')],
    'hfxbus/opentelemetry': [path.join(ROOT, 'opentelemetry.d.ts')],
  },
};
const COMMONJS = { module: ModuleKind.CommonJS, moduleResolution: ModuleResolutionKind.Node10 };
const NODE_NEXT = { module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext };

const CALLS = ['smoke.ts', 'accepted.ts', 'refused.ts'];
const OUTBOX = ['relay.ts', 'shop.ts'].map((name) => path.join('..', '..', 'examples', 'outbox', name));
const CASES = [
  ['CommonJS', CALLS, { ...COMMONJS, esModuleInterop: false }],
  ['CommonJS with esModuleInterop', CALLS, { ...COMMONJS, esModuleInterop: true }],
  ['NodeNext', CALLS, { ...NODE_NEXT, esModuleInterop: false }],
  ['NodeNext with esModuleInterop', [...CALLS, 'esm.mts'], { ...NODE_NEXT, esModuleInterop: true }],
  ['exact optional properties', ['accepted.ts', 'exact.ts'], { ...NODE_NEXT, exactOptionalPropertyTypes: true }],
  ['no types but the language’s own', ['bare.ts'], { ...COMMONJS, types: [], lib: ['lib.es2018.d.ts'] }],
  ['await using', ['using.ts'], { ...NODE_NEXT, lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'] }],
  ['await using with Node’s types alone', ['using.ts'], { ...COMMONJS, target: ts.ScriptTarget.ES2022 }],
  ['what is for tests', ['testing.ts'], { ...NODE_NEXT }],
  ['the dashboard', ['dashboard.ts'], { ...NODE_NEXT, esModuleInterop: true }],
  ['contracts', ['contracts.ts'], { ...NODE_NEXT, esModuleInterop: true, skipLibCheck: true }],
  ['middleware', ['middleware.ts'], { ...NODE_NEXT, esModuleInterop: true }],
  ['the example of an outbox', OUTBOX, { ...COMMONJS, module: ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }],
  ['options and emitters of other packages', ['neighbours.ts'], { ...COMMONJS, esModuleInterop: true }],
];

for (const [name, files, options] of CASES) {
  test(`types compile: ${name}`, () => {
    assert.deepStrictEqual(problems(files, { ...STRICT, ...options }), []);
  });
}

/** Types that the package gives and never takes. Their optional properties are there or are not. */
const GIVEN = /Error$|Message$|Change$|^IRedisClient$|^IAbortSignal$|^setErrorKind$/;

test('every optional property of an argument can be undefined', () => {
  const exact = [];
  let count = 0;
  for (const file of ['index.d.ts', 'testing.d.ts']) {
    const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
    const visit = (node, owner) => {
      const name = owner ?? node.name?.text;
      if (ts.isPropertySignature(node) && node.questionToken && !GIVEN.test(owner)) {
        count++;
        if (!/\b(undefined|any)\b/.test(node.type.getText())) exact.push(`${owner}.${node.name.text}`);
      }
      ts.forEachChild(node, (child) => visit(child, name));
    };
    for (const statement of source.statements) visit(statement, undefined);
  }
  assert.ok(count > 100, `${count} properties`);
  assert.deepStrictEqual(exact, []);
});

function problems(files, options) {
  const program = ts.createProgram(
    files.map((file) => path.join(__dirname, file)),
    options,
  );
  return ts.getPreEmitDiagnostics(program).map((problem) => {
    const { line = 0 } = problem.file?.getLineAndCharacterOfPosition(problem.start) ?? {};
    const text = ts.flattenDiagnosticMessageText(problem.messageText, '\n');
    return `${path.basename(problem.file?.fileName ?? '')}:${line + 1}: ${text}`;
  });
}
