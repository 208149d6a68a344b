'use strict';

const path = require('node:path');
const ts = require('typescript');
const { ROOT, blocksOf } = require('./documents.js');

const FILES = {
  hfxbus: 'index.d.ts',
  'hfxbus/testing': 'testing.d.ts',
  'hfxbus/dashboard': 'dashboard.d.ts',
  'hfxbus/opentelemetry': 'opentelemetry.d.ts',
};
const OPTIONS = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  typeRoots: [path.join(ROOT, 'node_modules', '@types')],
  paths: Object.fromEntries(Object.entries(FILES).map(([name, file]) => [name, [path.join(ROOT, file)]])),
};

/**
 * Something that the types make public. A member's owner is the class or interface that it stands in, or the method whose
 * argument it is part of, such as `Job.pull`; what is exported itself has none.
 * @typedef {{ owner: string | null, name: string, kind: 'export' | 'constructor' | 'call' | 'property', type: string,
 *   isOptional: boolean, default?: string }} Declared
 */

/** The types of the package, and the running blocks of some documents, each a module that uses them. */
class PublicTypes {
  #program;
  #checker;

  constructor(documents) {
    const blocks = documents.flatMap(blocksOf).filter(({ file, language }) => !file && language === 'ts');
    const texts = new Map(blocks.map(({ name, code }) => [path.join(ROOT, `${name.replace(/\W/g, '-')}.mts`), code]));
    const host = ts.createCompilerHost(OPTIONS);
    const [read, exists] = [host.readFile, host.fileExists];
    host.readFile = (file) => texts.get(file) ?? read(file);
    host.fileExists = (file) => texts.has(file) || exists(file);
    const getSourceFile = host.getSourceFile;
    host.getSourceFile = (file, ...rest) => {
      const text = texts.get(file);
      return text === undefined ? getSourceFile(file, ...rest) : ts.createSourceFile(file, text, ...rest);
    };
    this.blocks = blocks.map(({ name }, index) => ({ name, file: [...texts.keys()][index] }));
    this.#program = ts.createProgram(
      [...Object.values(FILES).map((file) => path.join(ROOT, file)), ...texts.keys()],
      OPTIONS,
      host,
    );
    this.#checker = this.#program.getTypeChecker();
  }

  /** Returns the compiler's errors in the blocks. */
  problems() {
    return ts.getPreEmitDiagnostics(this.#program).map(({ file, start, messageText }) => {
      const { line } = file?.getLineAndCharacterOfPosition(start) ?? { line: 0 };
      const text = ts.flattenDiagnosticMessageText(messageText, '\n');
      return `${path.basename(file?.fileName ?? '')}:${line + 1}: ${text}`;
    });
  }

  /** @returns {Declared[]} everything that is exported, with its members */
  declared() {
    const found = [];
    for (const file of Object.values(FILES)) {
      const source = this.#program.getSourceFile(path.join(ROOT, file));
      for (const symbol of this.#checker.getExportsOfModule(this.#checker.getSymbolAtLocation(source))) {
        if (symbol.flags & ts.SymbolFlags.Value) found.push(entry(null, symbol.name, 'export', symbol.declarations[0]));
        for (const declaration of symbol.declarations) found.push(...membersOf(declaration, symbol.name));
      }
    }
    return found;
  }

  /** Returns the members that a document's blocks use, as `owner.name`; an event as `owner 'event'`. */
  used(document) {
    const used = new Set();
    const visit = (node) => {
      for (const name of this.#usedBy(node)) used.add(name);
      ts.forEachChild(node, visit);
    };
    const blocks = this.blocks.filter(({ name }) => name.startsWith(`${document}:`));
    for (const { file } of blocks) visit(this.#program.getSourceFile(file));
    return used;
  }

  *#usedBy(node) {
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const called = this.#checker.getResolvedSignature(node)?.declaration;
      if (called) yield pathOf(called);
      const [event] = node.arguments ?? [];
      if (event && ts.isStringLiteralLike(event) && ts.isPropertyAccessExpression(node.expression)) {
        yield `${this.#checker.getTypeAtLocation(node.expression.expression).symbol?.name} '${event.text}'`;
      }
    }
    if (ts.isVariableDeclarationList(node) && (node.flags & ts.NodeFlags.AwaitUsing) === ts.NodeFlags.AwaitUsing) {
      for (const { name } of node.declarations) {
        yield `${this.#checker.getTypeAtLocation(name).symbol?.name}.[Symbol.asyncDispose]`;
      }
    }
    for (const { declarations = [] } of this.#named(node)) yield* declarations.map(pathOf);
  }

  /** Returns the declaration of a name in a block: a property, an option or an export. */
  #named(node) {
    if (ts.isPropertyAccessExpression(node)) return [this.#checker.getSymbolAtLocation(node.name)].filter(Boolean);
    if (ts.isPropertyAssignment(node) || ts.isShorthandPropertyAssignment(node)) {
      const context = this.#checker.getContextualType(node.parent);
      const types = context?.isUnion() ? context.types : [context];
      return types.flatMap((type) => type?.getProperty(node.name.text) ?? []);
    }
    if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const name = (node.propertyName ?? node.name).text;
      return [this.#checker.getTypeAtLocation(node.parent).getProperty(name)].filter(Boolean);
    }
    if (ts.isIdentifier(node) && !ts.isImportSpecifier(node.parent)) {
      const symbol = this.#checker.getSymbolAtLocation(node);
      return symbol?.flags & ts.SymbolFlags.Alias ? [this.#checker.getAliasedSymbol(symbol)] : [];
    }
    return [];
  }
}

/** Members of a declaration, and of the objects that its methods take. */
function membersOf(node, owner) {
  const found = [];
  const members = node.members ?? (ts.isFunctionDeclaration(node) ? [node] : []);
  for (const member of members) {
    const isPrivate = ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private;
    const name = nameOf(member);
    if (isPrivate || name === undefined) continue;
    if (member !== node) found.push(entry(owner, name, kindOf(member), member));
    const path = member === node ? owner : `${owner}.${name}`;
    for (const { type } of member.parameters ?? [])
      found.push(...literalsOf(type).flatMap((one) => membersOf(one, path)));
  }
  return found;
}

/** The object types that are written out in a type. */
function literalsOf(type) {
  if (type === undefined) return [];
  if (ts.isTypeLiteralNode(type)) return [type];
  return ts.isUnionTypeNode(type) ? type.types.flatMap(literalsOf) : [];
}

function kindOf(member) {
  if (ts.isConstructorDeclaration(member)) return 'constructor';
  return ts.isMethodSignature(member) || ts.isMethodDeclaration(member) ? 'call' : 'property';
}

/** A member's name as it is written after a dot; `undefined` for an index signature. */
function nameOf(member) {
  if (ts.isConstructorDeclaration(member)) return 'constructor';
  if (ts.isFunctionDeclaration(member)) return member.name.text;
  if (!member.name) return undefined;
  return ts.isComputedPropertyName(member.name) ? `[${member.name.expression.getText()}]` : member.name.text;
}

/** @returns {Declared} */
function entry(owner, name, kind, node) {
  const tag = ts.getJSDocTags(node).find(({ tagName }) => /^default(Value)?$/.test(tagName.text));
  return {
    owner,
    name,
    kind,
    type: node.type?.getText() ?? '',
    isOptional: Boolean(node.questionToken),
    default: tag && ts.getTextOfJSDocComment(tag.comment),
  };
}

/** Returns the name of a declaration of the package, with its owner. */
function pathOf(node) {
  const name = node.name || ts.isConstructorDeclaration(node) ? nameOf(node) : undefined;
  if (name === undefined) return '';
  for (let at = node.parent; at; at = at.parent) {
    if (ts.isParameter(at)) return `${pathOf(at.parent)}.${name}`;
    if (ts.isClassDeclaration(at) || ts.isInterfaceDeclaration(at)) return `${at.name.text}.${name}`;
  }
  return name;
}

module.exports = { PublicTypes };
