import { describe, expect, test } from '@jest/globals';
import {
  conditionHolds,
  ExpressionError,
  mappingProblem,
  mergeReads,
  readsOfExpr,
  readsOfMapping,
  readsOfTemplate,
  renderTemplate,
  resolveMapping,
  templateProblem,
} from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';
import { names } from '../support/names.js';

describe('Liquid', () => {
  test.each([
    ['Hello {{ input.name | upcase }}', 'Hello ANA'],
    ['{{ input.lines[0] }}', '{"sku":"a","n":2}'],
    ['{{ input.nothing }}{{ input.none }}', ''],
    ['{% for l in input.lines %}{{ l.sku }}{% endfor %}', 'ab'],
    ['{{ input.constructor.name }}{{ input.__proto__ }}', ''],
    [
      'Bearer {{secret:KEY}} {{ vars.score }} {{ secret: OTHER_KEY }}',
      'Bearer {{secret:KEY}} 3 {{ secret: OTHER_KEY }}',
    ],
    ['no markers', 'no markers'],
    ['{{ 0 | date: "%H:%M" }}', '00:00'],
  ])('%s', (template, text) => {
    expect(renderTemplate(template, names)).toBe(text);
    expect(templateProblem(template)).toBeNull();
  });

  test.each([
    ['{{ input', /not closed/],
    ['{{ input | nothing }}', /undefined filter: nothing/],
    ['{% if input %}', /not closed/],
    ['{% render "part" %}', /partials/],
    ['{% nonsense %}', /nonsense/],
  ])('%s is a problem', (template, message) => {
    expect(templateProblem(template)).toMatch(message);
    expect(() => renderTemplate(template, names)).toThrow(ExpressionError);
  });

  test('a template that does not end is stopped after so many steps', () => {
    const loop = '{% for a in (1..9999) %}{% for b in (1..9999) %}{% assign c = 1 %}{% endfor %}{% endfor %}';
    expect(() => renderTemplate(loop, names)).toThrow(/steps/);
  });
});

describe('mappings', () => {
  test('strings are templates, a lone path keeps its type, $expr is CEL', () => {
    const mapping = {
      text: 'Order {{ run.input.order }}',
      order: '{{ run.input.order }}',
      lines: ' {{- input.lines -}} ',
      second: '{{ input.lines[1].n }}',
      odd: "{{ steps['fetch-two'].status }}",
      count: '{{ input.lines.size }}',
      missing: '{{ input.nothing.at.all }}',
      shout: '{{ input.name | upcase }}',
      sum: { $expr: 'input.total + 1' },
      both: { $expr: 'input.total', more: 1 },
      auth: 'Bearer {{secret:KEY}}',
      only: '{{secret:KEY}}',
      list: [1, true, null, '{{ index }}'],
    };
    expect(resolveMapping(mapping, names)).toEqual({
      text: 'Order 7',
      order: 7,
      lines: [
        { sku: 'a', n: 2 },
        { sku: 'b', n: 3 },
      ],
      second: 3,
      odd: 404,
      count: 2,
      missing: null,
      shout: 'ANA',
      sum: 101,
      both: { $expr: 'input.total', more: 1 },
      auth: 'Bearer {{secret:KEY}}',
      only: '{{secret:KEY}}',
      list: [1, true, null, 2],
    });
    expect(mappingProblem(mapping)).toBeNull();
  });

  test('problems are found wherever they are', () => {
    expect(mappingProblem({ a: [{ b: '{{ x' }] })).toMatch(/not closed/);
    expect(mappingProblem([{ $expr: '1 +' }])).toMatch(/Unexpected/);
    expect(mappingProblem(7)).toBeNull();
  });
});

describe('what they read', () => {
  test.each([
    ['input.a + text', {}],
    ['vars.a > 1', { vars: true }],
    ['steps.fetch.status == 200 && has(steps.other)', { steps: ['fetch', 'other'] }],
    ['steps["a-b"].x == steps.?c.x', { steps: ['a-b', 'c'] }],
    ['"a" in steps', { steps: ['a'] }],
    ['steps[vars.which].x', { vars: true, steps: ['*'] }],
    ['size(steps) > 1', { steps: ['*'] }],
    ['run.input.a == item.b', { run: true, item: true }],
    ['index > 1 ? message : ""', { item: true, message: true }],
    ['input.l.map(x, x + vars.y)', { vars: true }],
    ['{"a": [run.id]}', { run: true }],
    ['cel.bind(v, vars.x, v + item.y)', { vars: true, item: true }],
  ])('%s', (expr, reads) => expect(readsOfExpr(expr)).toEqual(reads));

  test.each([
    ['{{ input.a }} plain', {}],
    ['{{ steps.a.b | append: vars.c }}', { vars: true, steps: ['a'] }],
    ['{{ steps["x-y"].z }}{{ run.id }}', { steps: ['x-y'], run: true }],
    ['{% for i in steps[vars.k] %}{{ item }}{% endfor %}', { vars: true, steps: ['*'], item: true }],
    ['{% if message contains "a" %}{% assign q = vars.b %}{% endif %}', { vars: true, message: true }],
    ['{% if input %}{% assign vars = 1 %}{% endif %}{{ vars.a }}', { vars: true }],
    ['{{secret:KEY}} {{ index }}', { item: true }],
  ])('%s', (template, reads) => expect(readsOfTemplate(template)).toEqual(reads));

  test('of a mapping, and together', () => {
    expect(readsOfMapping({ a: '{{ vars.x }}', b: [{ $expr: 'steps.q' }], c: 1 })).toEqual({
      vars: true,
      steps: ['q'],
    });
    expect(mergeReads({ steps: ['b'] }, { steps: ['a'], run: true }, {})).toEqual({ steps: ['a', 'b'], run: true });
    expect(mergeReads()).toEqual({});
  });
});

describe('conditions', () => {
  const holds = (condition: Parameters<typeof conditionHolds>[0], output: Json = names['input'] ?? null) =>
    conditionHolds(condition, { output, names });

  test('always, and words in the output or the message', () => {
    expect(holds({ type: 'always' })).toBe(true);
    expect(holds({ type: 'contains', text: 'REFUND' }, { text: 'a refund, please' })).toBe(true);
    expect(holds({ type: 'contains', text: 'refund' }, 'nothing')).toBe(false);
    expect(holds({ type: 'contains', text: 'refund', of: 'message' }, 'nothing')).toBe(true);
    expect(conditionHolds({ type: 'contains', text: 'x', of: 'message' }, { output: 'x', names: {} })).toBe(false);
  });

  test.each([
    ['score', '3', true],
    ['vars.score', '3.0', true],
    ['var.score', '4', false],
    ['plan.tier', 'gold', true],
    ['vip', 'True', true],
    ['vip', '1', false],
    ['note', '', true],
    ['gone', 'null', true],
    ['gone.deeper', 'x', false],
    ['input.name', 'Ana', true],
    ['input.lines.1.n', '3', true],
    ['constructor', 'null', true],
  ])('%s == %s is %s', (path, value, result) => expect(holds({ type: 'equals', path, value })).toBe(result));

  test('CEL must give true or false', () => {
    expect(holds({ type: 'cel', expr: 'vars.score > 2' })).toBe(true);
    expect(holds({ type: 'cel', expr: 'vars.score > 9' })).toBe(false);
    expect(() => holds({ type: 'cel', expr: 'vars.score' })).toThrow(/must give true or false; it gave 3/);
    expect(() => holds({ type: 'cel', expr: 'vars.gone' })).toThrow(ExpressionError);
  });
});
