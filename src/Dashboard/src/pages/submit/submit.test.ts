import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toYaml } from '../job/yaml';
import { complete } from './complete';
import { dropDraft, keepDraft, keyFor, readDraft, type Store } from './draft';
import { indented, newLine, outdented, type Edit } from './edit';
import { moved, placed } from './places';
import { factsOf, isRequired, lookUp, type Schema } from './schema';
import { fieldAt, read, type TokenKind } from './yaml';

const schema: Schema = {
  type: 'object', required: ['name', 'corpus'],
  properties: {
    name: { type: 'string', description: 'Name of the job.' },
    task: { type: 'string', enum: ['masked-lm', 'causal-lm'], default: 'masked-lm', description: 'What the model learns.' },
    corpus: { type: 'object', required: ['files'], description: 'The text.', properties: { files: { type: 'array', minItems: 1, maxItems: 10000, items: { type: 'string' } }, heldOut: { type: 'number', exclusiveMinimum: 0, maximum: 0.5, default: 0.01 } } },
    training: {
      type: 'object', description: 'Length.',
      properties: {
        steps: { type: 'integer', minimum: 1, maximum: 1000000000, default: 1000, description: 'Optimizer steps in all. Unit: steps.' },
        warmupSteps: { type: 'integer', minimum: 0, description: 'Warm-up. Unit: steps. The default is a tenth of `steps`.' },
        optimizer: { type: 'object', properties: { betas: { type: 'array', minItems: 2, maxItems: 2, items: { type: 'number', minimum: 0, exclusiveMaximum: 1 }, default: [0.9, 0.98] } } },
      },
    },
  },
};

/** Each token as `kind:text`. */
function colours(text: string): string[] {
  return read(text).tokens.map((one) => `${one.kind}:${text.slice(one.from, one.to)}`);
}

/** The field at the `|`. */
function at(marked: string): string {
  return fieldAt(marked.replace('|', ''), marked.indexOf('|')).join('.');
}

/** What is offered at the `|`. */
function offered(marked: string): string[] {
  return complete(marked.replace('|', ''), marked.indexOf('|'), schema)?.choices.map((one) => one.label) ?? [];
}

function after(text: string, edit: Edit): string {
  const changed = text.slice(0, edit.from) + edit.insert + text.slice(edit.to);
  return edit.selectFrom === edit.selectTo ? `${changed.slice(0, edit.selectFrom)}|${changed.slice(edit.selectFrom)}`
    : `${changed.slice(0, edit.selectFrom)}<${changed.slice(edit.selectFrom, edit.selectTo)}>${changed.slice(edit.selectTo)}`;
}

function storage(): Store {
  const kept = new Map<string, string>();
  return { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => void kept.set(name, value), removeItem: (name) => void kept.delete(name) };
}

test('YAML has its colours', () => {
  assert.deepEqual(colours('name: a-b # why: not'), ['key:name', 'mark::', 'text:a-b', 'comment:# why: not']);
  assert.deepEqual(colours('a: 5.0e-4\nb: true\nc: "x # y: z"'), ['key:a', 'mark::', 'number:5.0e-4', 'key:b', 'mark::', 'word:true', 'key:c', 'mark::', 'string:"x # y: z"']);
  assert.deepEqual(colours('r: { min: 1, on: [a, "b"] }'), ['key:r', 'mark::', 'mark:{', 'key:min', 'mark::', 'number:1', 'mark:,', 'key:on', 'mark::', 'mark:[', 'text:a', 'mark:,', 'string:"b"', 'mark:]', 'mark:}']);
  assert.deepEqual(colours('f:\n- a*.txt\n- b#c'), ['key:f', 'mark::', 'mark:-', 'text:a*.txt', 'mark:-', 'text:b#c']);
});

test('JSON has its colours, its keys and its fields', () => {
  const text = '{\n  "name": "x",\n  "training": { "steps": 10 }\n}';
  assert.deepEqual(read(text).tokens.filter((one) => one.kind === ('key' satisfies TokenKind)).map((one) => text.slice(one.from, one.to)), ['"name"', '"training"', '"steps"']);
  assert.deepEqual(read(text).keys.map((key) => key.path.join('.')), ['name', 'training', 'training.steps']);
  assert.equal(at('{\n  "training": { "steps": 1|0 }\n}'), 'training.steps');
});

test('tokens never overlap, and text that is not finished is read all the same', () => {
  const whole = '# c\nname: "a\ncorpus: { files: ["x", y: {\n  - {[}], "k": \'v\n\t: :\n"q" : 1\n-- a: b\n';
  for (let end = 0; end <= whole.length; end++) {
    let last = 0;
    for (const token of read(whole.slice(0, end)).tokens) {
      assert.ok(token.from >= last && token.to > token.from && token.to <= end, `${token.from}–${token.to} after ${last} of ${end}`);
      last = token.to;
    }
  }
});

test('the field at the caret', () => {
  assert.equal(at('na|me: x'), 'name');
  assert.equal(at('training:\n  steps: 1|0'), 'training.steps');
  assert.equal(at('training:\n  st|eps: 10'), 'training.steps');
  assert.equal(at('training:\n  steps: 10\n|'), '');
  assert.equal(at('training:\n  steps: 10\n  |'), 'training');
  assert.equal(at('training: { steps: 1, optimizer: { betas: [0.9, |] } }'), 'training.optimizer.betas');
  assert.equal(at('training: { steps: 1, | }'), 'training');
  assert.equal(at('corpus:\n  files:\n  - a\n  - |'), 'corpus.files');
  assert.equal(at('a:\n  b:\n    c: 1\nname: |'), 'name');
  assert.equal(at('# name: |x'), '');
});

test('what may stand at the caret', () => {
  assert.deepEqual(offered('|'), ['name', 'task', 'corpus', 'training']);
  assert.deepEqual(offered('name: x\nta|'), ['task']);
  assert.deepEqual(offered('name: x\nna|'), []);
  assert.deepEqual(offered('task: |'), ['masked-lm', 'causal-lm']);
  assert.deepEqual(offered('task: ca|'), ['causal-lm']);
  assert.deepEqual(offered('training:\n  steps: 1\n  |'), ['warmupSteps', 'optimizer']);
  assert.deepEqual(offered('training:\n  ste|'), ['steps', 'warmupSteps']);
  assert.deepEqual(offered('training: { warmupSteps: 1, | }'), ['steps', 'optimizer']);
  assert.deepEqual(offered('{ "training": { "st|'), ['steps', 'warmupSteps']);
  assert.deepEqual(offered('# t|'), []);
  assert.deepEqual(offered('nowhere:\n  |'), []);
});

test('what a choice writes', () => {
  const insert = (marked: string): string => complete(marked.replace('|', ''), marked.indexOf('|'), schema)!.choices[0]!.insert;
  assert.equal(insert('ta|'), 'task: ');
  assert.equal(insert('cor|'), 'corpus:\n  ');
  assert.equal(insert('training:\n  opt|'), 'optimizer:\n    ');
  assert.equal(insert('ta|: x'), 'task');
  assert.equal(insert('{ "ta|'), '"task": ');
  assert.equal(insert('{ "task": |'), '"masked-lm"');
  const inside = complete('task: causal-lm', 8, schema)!;
  assert.deepEqual([inside.from, inside.to], [6, 15]);
});

test('a field in words', () => {
  const steps = lookUp(schema, ['training', 'steps'])!;
  assert.deepEqual(factsOf(steps), { text: 'Optimizer steps in all.', type: 'whole number', allowed: '1 to 1,000,000,000', unit: 'steps', standard: '1000' });
  assert.equal(factsOf(lookUp(schema, ['training', 'warmupSteps'])!).standard, 'a tenth of steps');
  assert.equal(factsOf(lookUp(schema, ['training', 'warmupSteps'])!).text, 'Warm-up.');
  assert.equal(factsOf(lookUp(schema, ['corpus', 'heldOut'])!).allowed, 'above 0, at most 0.5');
  assert.equal(factsOf(lookUp(schema, ['training', 'optimizer', 'betas'])!).allowed, '2 of them; each 0 or more, below 1');
  assert.equal(lookUp(schema, ['training', 'toString']), undefined);
  assert.ok(isRequired(schema, ['corpus', 'files']) && !isRequired(schema, ['task']));
});

test('a number that may be left to the machines', () => {
  const microBatch: Schema = { anyOf: [{ type: 'integer', minimum: 1, maximum: 65536 }, { type: 'string', enum: ['auto'] }], default: 8, description: 'Sequences at a time. Unit: sequences.' };
  assert.deepEqual(factsOf(microBatch), { text: 'Sequences at a time.', type: 'auto or whole number', allowed: '1 to 65,536', unit: 'sequences', standard: '8' });
  const choices = complete('microBatch: a', 13, { type: 'object', properties: { microBatch } })?.choices;
  assert.deepEqual(choices?.map((one) => one.label), ['auto']);
});

test('problems find their place', () => {
  const text = 'name: x\ntraining:\n  steps: -4 # few\n';
  const place = (field: string, line: number, column: number): string => {
    const [one] = placed(text, [{ field, line, column, message: '' }]);
    return `${one!.line}:${one!.column} ${text.slice(one!.from, one!.to)}`;
  };
  assert.equal(place('training.steps', 3, 10), '3:10 -4');
  assert.equal(place('training.steps', 0, 0), '3:3 steps');
  assert.equal(place('training.microBatch', 0, 0), '2:1 training');
  assert.equal(place('corpus', 0, 0), '0:0 ');
  assert.equal(place('', 99, 99), '4:1 ');
});

test('places go along with what is typed elsewhere', () => {
  const before = 'name: X\ntraining:\n  steps: -4\n';
  const found = placed(before, [{ field: 'name', line: 1, column: 7, message: 'a' }, { field: 'training.steps', line: 3, column: 10, message: 'b' }]);
  const after = (text: string): string[] => moved(found, before, text).map((one) => `${one.line}:${one.column} ${text.slice(one.from, one.to)}`);
  assert.deepEqual(after(before), ['1:7 X', '3:10 -4']);
  assert.deepEqual(after('name: X\ntask: t\ntraining:\n  steps: -4\n'), ['1:7 X', '4:10 -4']);
  assert.deepEqual(after('name: X\ntraining:\n  steps: -40\n'), ['1:7 X']);
  assert.deepEqual(after('name: x\ntraining:\n  steps: -4\n'), ['3:10 -4']);
  assert.deepEqual(after(''), []);
});

test('Tab, Shift-Tab and Enter', () => {
  assert.equal(after('a', indented('a', 1, 1)), 'a |');
  assert.equal(after('', indented('', 0, 0)), '  |');
  assert.equal(after('a\nb\nc', indented('a\nb\nc', 0, 3)), '<  a\n  b>\nc'.replace('<  ', '  <'));
  assert.equal(after('a\nb\n', indented('a\nb\n', 0, 2)), '  <a\n>b\n');
  assert.equal(after('    a', outdented('    a', 5, 5)), '  a|');
  assert.equal(after('a', outdented('a', 1, 1)), 'a|');
  assert.equal(after('  a\n  b', outdented('  a\n  b', 2, 7)), '<a\nb>');
  assert.equal(after('  a: 1', newLine('  a: 1', 6, 6)), '  a: 1\n  |');
  assert.equal(after('  a:', newLine('  a:', 4, 4)), '  a:\n    |');
  assert.equal(after('# a:', newLine('# a:', 4, 4)), '# a:\n|');
});

test('a submission keeps its key until it is made, and another content gets another', () => {
  const store = storage();
  let made = 0;
  const make = (): string => `key-${++made}`;
  assert.equal(keyFor(store, 'a', make), 'key-1');
  assert.equal(keyFor(store, 'a', make), 'key-1');
  assert.equal(keyFor(store, 'b', make), 'key-2');
  dropDraft(store);
  assert.equal(keyFor(store, 'b', make), 'key-3');
  assert.equal(keyFor(null, 'c', make), 'key-4');
  assert.equal(keyFor(null, 'c', make), 'key-4');
  assert.match(keyFor(storage(), 'd'), /^[0-9a-f]{32}$/);
});

test('a draft is kept, and what is no draft is none', () => {
  const store = storage();
  assert.equal(readDraft(store), null);
  keepDraft(store, { text: 'a', loaded: 'b' });
  assert.deepEqual(readDraft(store), { text: 'a', loaded: 'b' });
  store.setItem('linformer-draft', '{"text":');
  assert.equal(readDraft(store), null);
});

test('what a job is begun anew with is read as the fields that it has', () => {
  const written = toYaml({ name: 'x', corpus: { files: ['a/*.txt'], separator: '' }, training: { optimizer: { betas: [0.9, 0.98] }, learningRate: 0.0005 } });
  assert.deepEqual(read(written).keys.map((key) => key.path.join('.')), ['name', 'corpus', 'corpus.files', 'corpus.separator', 'training', 'training.optimizer', 'training.optimizer.betas', 'training.learningRate']);
});
