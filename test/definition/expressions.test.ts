import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { evaluateExpr, ExpressionError, exprProblem, resolveMapping } from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';
import { names } from '../support/names.js';

describe('CEL', () => {
  test.each<[string, Json]>([
    ['input.total + 1', 101],
    ['1 + input.total', 101],
    ['input.total / 8', 12.5],
    ['input.total % 7', 2],
    ['input.total * 1.5', 150],
    ['-input.total', -100],
    ['input.total > 99 && input.half < 3', true],
    ['input.total == 100', true],
    ['3 == 3.0', true],
    ['size(input.lines) + index', 4],
    ['input.lines[index - 1].sku', 'b'],
    ['input.lines.map(l, l.n * 2)', [4, 6]],
    ['input.lines.filter(l, l.n > 2).map(l, l.sku)', ['b']],
    ['input.lines.exists(l, l.sku == "a")', true],
    ['3 in [1, 2, 3]', true],
    ['input.total in [100]', true],
    ['{"who": input.name, "mixed": [1, "x", null]}', { who: 'Ana', mixed: [1, 'x', null] }],
    ['lower(input.name) + upper("b") + input.name.upper()', 'anaBANA'],
    ['input.name.contains("na")', true],
    ['"a-b-c".replace("-", "$&")', 'a$&b$&c'],
    ['"abcdef".substring(index)', 'cdef'],
    ['"abcdef".substring(1, index)', 'b'],
    ['text(input.total) + text(input.lines[0]) + text(null)', '100{"sku":"a","n":2}'],
    ['json("[1,{\\"a\\":2}]")[1].a + 1', 3],
    ['has(input.total) && !has(input.nothing)', true],
    ['input.?nothing.?deeper.orValue("none")', 'none'],
    ['input.?nothing', null],
    ['input.none == null', true],
    ['steps["fetch-two"].status', 404],
    ['run.id + text', 'run_1' + JSON.stringify(names['input'])],
    ['duration("90s")', 90],
    ['timestamp("2026-01-02T03:04:05Z")', '2026-01-02T03:04:05.000Z'],
    ['type(1)', 'int'],
    ['7u', 7],
    ['round(input.half)', 3],
  ])('%s', (expr, value) => {
    expect(evaluateExpr(expr, names)).toEqual(value);
    expect(exprProblem(expr)).toBeNull();
  });

  test.each([
    ['input.nothing', /^input\.nothing is missing; has\(input\.nothing\) asks for it/],
    ['input.total > 1 && input.gone.deeper', /^input\.gone is missing, in "/],
    ['input.lines[9].sku', /input\.lines\[9\] is missing/],
    ['input.constructor', /missing/],
    ['input.total > "x"', /no such overload/],
    ['"Order " + input.total', /text\(value\) makes a text/],
    ['json(input.name)', /no JSON/],
    ['1 / 0', /division by zero/],
    ['input.total / 0', /no finite number/],
    ['"abc".substring(input.total)', /beyond the text/],
    ['input.', /Expected IDENTIFIER/],
    ['nope', /Unknown variable: nope.*expressions know input/],
  ])('%s is told in a sentence', (expr, message) => {
    expect(() => evaluateExpr(expr, names)).toThrow(ExpressionError);
    expect(() => evaluateExpr(expr, names)).toThrow(message);
  });

  test.each([
    ['1 +', /Unexpected/],
    ['now()', /now/],
    ['nope.x == 1', /Unknown variable: nope/],
    ['text(1, 2)', /overload/],
    ['"a" && true', /bool/],
    ['bytes("a") == b"a"', /bytes/],
    ['input.a.map(a, a.map(b, b.map(c, c.map(d, d))))', /loops/],
    ['('.repeat(200) + '1' + ')'.repeat(200), /depth|Exceeded|nest/i],
  ])('%s is a problem at publish', (expr, message) => expect(exprProblem(expr)).toMatch(message));

  test('further names may be known', () => {
    expect(exprProblem('status == 200 && body.done')).toMatch(/Unknown variable/);
    expect(exprProblem('status == 200 && body.done', ['status', 'body'])).toBeNull();
    expect(evaluateExpr('status == 200', { status: 200 })).toBe(true);
  });

  test('JSON comes back as it went in', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        // -- reason: jsonValue makes JSON; a minus zero is the one thing JSON text loses
        const json = JSON.parse(JSON.stringify(value)) as Json;
        expect(evaluateExpr('input', { input: json })).toEqual(json);
        expect(resolveMapping({ copy: '{{ input }}' }, { input: json })).toEqual({ copy: json });
      }),
    );
  });

  test('whole and broken numbers mix as they do in JSON', () => {
    const number = fc.oneof(fc.integer({ min: -1_000, max: 1_000 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }));
    fc.assert(
      fc.property(number, fc.integer({ min: 1, max: 1_000 }), (a, b) => {
        const run = (expr: string) => evaluateExpr(expr, { input: a });
        expect(run(`input + ${b}`)).toBe(a + b);
        expect(run(`${b} - input`)).toBe(b - a);
        expect(run(`input * ${b}`)).toBe(a * b);
        expect(run(`input / ${b}`)).toBe(a / b);
        expect(run(`input < ${b}`)).toBe(a < b);
        expect(run(`${b} >= input`)).toBe(b >= a);
        expect(run(`input == ${b}`)).toBe(a === b);
      }),
    );
  });

  test('any text is an expression or a problem, never another error', () => {
    const pieces = fc.constantFrom(
      'input',
      '.',
      'a',
      '(',
      ')',
      '[',
      '1',
      '+',
      '"',
      "'",
      '?',
      ':',
      ' in ',
      '{{',
      '&&',
      '!',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const expr = parts.join('');
        const problem = exprProblem(expr);
        if (problem !== null) return expect(problem).not.toBe('');
        try {
          evaluateExpr(expr, names);
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
