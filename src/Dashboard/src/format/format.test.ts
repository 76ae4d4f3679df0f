import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linePath } from './line';
import { bytes, count, lossText, number, percent, short, significant } from './numbers';
import { who } from './people';
import { duration, roughly, since } from './times';

test('numbers of the API that JSON has no word for', () => {
  assert.ok(Number.isNaN(number('NaN')));
  assert.equal(number('-Infinity'), -Infinity);
  assert.ok(Number.isNaN(number(undefined)));
  assert.equal(number(3), 3);
});

test('large numbers in few characters', () => {
  assert.deepEqual([0, 999, 1000, 12_345, 999_900, 4.2e9, NaN].map(short), ['0', '999', '1k', '12.3k', '1M', '4.2G', '–']);
  assert.equal(count(1234567), '1,234,567');
});

test('digits', () => {
  assert.deepEqual([0.00001234, 0.1234567, 12.3456, Infinity, NaN].map((value) => significant(value, 3)), ['1.23e-5', '0.123', '12.3', '∞', 'NaN']);
  assert.deepEqual([3.4, 3.40004, 12.5, 0.5, NaN, 123456].map(lossText), ['3.400', '3.400', '12.50', '0.5000', 'NaN', '123,500']);
});

test('bytes and shares', () => {
  assert.deepEqual([0, 1023, 1024, 1.5 * 1024 ** 3].map(bytes), ['0 B', '1023 B', '1 KiB', '1.5 GiB']);
  assert.deepEqual([0, 0.004, 0.5, 1, NaN].map(percent), ['0%', '0.4%', '50%', '100%', '–']);
});

test('durations in two units', () => {
  assert.deepEqual([12, 4500, 59_999, 61_000, 3_600_000, 47 * 3_600_000, 49 * 3_600_000, NaN].map(duration), ['12ms', '4.5s', '59s', '1m 1s', '1h 0m', '47h 0m', '2d 1h', '–']);
  assert.equal(since('2030-01-01T00:00:00.000Z', Date.parse('2030-01-01T00:00:05Z')), 5000);
  assert.equal(since('2030-01-01T00:00:10Z', Date.parse('2030-01-01T00:00:05Z')), 0, 'no time before it');
  assert.ok(Number.isNaN(since(undefined, 0)));
});

test('roughly, in one unit', () => {
  assert.deepEqual([5000, 90_000, 3_590_000, 26_940_000, 3 * 86_400_000, NaN].map(roughly), ['under 1 min', '2 min', '1 h', '7 h', '3 days', '–']);
});

test('people', () => {
  assert.deepEqual(['person:ada', 'worker:gpu-1', 'coordinator'].map(who), ['ada', 'worker gpu-1', 'coordinator']);
});

test('lines fill their drawing, and have gaps where there is no number', () => {
  const { line, area, end } = linePath([10, 5, 0], 104, 24);
  assert.equal(line, 'M2 2L52 12L102 22');
  assert.equal(area, 'M2 2L52 12L102 22V24H2Z');
  assert.deepEqual(end, { x: 102, y: 22 });
  assert.equal(linePath([1, 'NaN', 2, 3], 100, 20).line.match(/M/g)?.length, 2);
  assert.equal(linePath([1, 'NaN', 2], 100, 20).area, '');
  assert.equal(linePath([], 100, 20).end, null);
  assert.equal(linePath(['Infinity'], 100, 20).end, null);
  assert.equal(linePath([7, 7], 100, 20).line, 'M2 10L98 10', 'a flat line lies in the middle');
});
