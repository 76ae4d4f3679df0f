import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Corpus } from '../../api/types';
import { finds, share, title } from './model';
import { within } from './Preview';
import { bytesOf, spoken, visible } from './visible';

const corpus: Corpus = { id: 'c1', state: 'sharding', files: ['a.txt', 'b.txt', 'c.txt'], tokenizer: 'byte-bpe, 1024 tokens', fingerprint: 'F00D', folder: '', shards: 8, shardsDone: 2, documents: 0, tokens: 0, vocabularySize: 0, error: '' };

test('what shows nothing has a sign', () => {
  assert.deepEqual(visible(' the'), [{ text: '·', means: 'space' }, { text: 'the', means: '' }]);
  assert.deepEqual(visible('a\n\t').map((part) => part.text), ['a', '↵', '⇥']);
  assert.deepEqual(visible('😀é').map((part) => part.text), ['😀é']);
  assert.deepEqual(visible('\ufffd')[0], { text: '�', means: 'a part of a character' });
  assert.deepEqual(visible('\u0000')[0], { text: '␀', means: 'U+0000' });
  assert.deepEqual(visible('')[0]!.means, 'no text');
});

test('what would turn or hide the text beside it has a sign', () => {
  for (const char of ['\u202e', '\u200b', '\u2066', '\u2028', '\u3000']) assert.deepEqual(visible(char)[0]!.text, '◌', char.codePointAt(0)!.toString(16));
});

test('tokens in words and bytes', () => {
  assert.equal(spoken(' the\n'), 'space the new line');
  assert.equal(bytesOf(' é'), '20 c3 a9');
  assert.equal(bytesOf('\ufffd'), '');
});

test('how far a corpus has come', () => {
  assert.equal(share(corpus), 0.25);
  assert.equal(share({ ...corpus, progress: { phase: 'reading', done: 1, total: 2, unit: 'files' } }), 0.5);
  assert.equal(share({ ...corpus, state: 'ready' }), 1);
  assert.equal(share({ ...corpus, shards: 0, shardsDone: 0 }), 0);
});

test('what a corpus is called and found by', () => {
  assert.equal(title(corpus), 'a.txt and 2 more');
  assert.equal(title({ ...corpus, files: ['a.txt'] }), 'a.txt');
  assert.ok(finds(corpus, 'C.TXT') && finds(corpus, 'f00d') && !finds(corpus, 'd.txt'));
});

test('numbers of the query stay within bounds', () => {
  assert.deepEqual([within('7.9', 1, 0, 9), within('-4', 1, 0, 9), within('1e9', 1, 0, 9), within('x', 1, 0, 9), within('', 1, 0, 9), within(null, 1, 0, 9)], [7, 0, 9, 1, 1, 1]);
});
