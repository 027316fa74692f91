import { describe, expect, test } from '@jest/globals';
import { schemaErrors, schemaProblem } from '../../db/json-schema.js';

const order = {
  type: 'object',
  required: ['id', 'lines'],
  additionalProperties: false,
  properties: {
    id: { type: 'string', format: 'uuid' },
    kind: { enum: ['new', 'used'] },
    lines: { type: 'array', minItems: 1, items: { type: 'object', properties: { amount: { type: 'integer' } } } },
    at: { type: ['string', 'null'] },
  },
};

describe('a value', () => {
  test('that fits has no errors', () => {
    const id = '0d4b0c84-7a0e-4b0a-9c39-2b7a3f3f8f10';
    expect(schemaErrors(order, { id, lines: [{ amount: 1 }], at: null })).toEqual([]);
    expect(schemaErrors(true, 'anything')).toEqual([]);
  });

  test('that does not fit is told of with sentences that name the place', () => {
    expect(schemaErrors(order, { id: 'x', kind: 'old', lines: [{ amount: 'a' }], 'a/b': 1, at: 4 })).toEqual([
      { pointer: '/a~1b', message: 'a/b is not known here; remove it.' },
      { pointer: '/id', message: 'id must be of the format uuid.' },
      { pointer: '/kind', message: 'kind must be one of "new", "used".' },
      { pointer: '/lines/0/amount', message: 'lines[0].amount must be an integer.' },
      { pointer: '/at', message: 'at must be a string or null.' },
    ]);
    expect(schemaErrors(order, {})).toEqual([
      { pointer: '/id', message: 'id is required.' },
      { pointer: '/lines', message: 'lines is required.' },
    ]);
    expect(schemaErrors({ type: 'object' }, null)).toEqual([{ pointer: '', message: 'The value must be an object.' }]);
  });

  test('that fits no alternative is told of once each', () => {
    const either = { anyOf: [{ type: 'string' }, { type: 'number', minimum: 5 }] };
    expect(schemaErrors(either, 3)).toEqual([
      { pointer: '', message: 'The value must be a string.' },
      { pointer: '', message: 'The value must be >= 5.' },
    ]);
  });
});

describe('a schema', () => {
  test('that is none says why', () => {
    expect(schemaProblem(order)).toBeNull();
    expect(schemaProblem('x')).toContain('must be a JSON Schema');
    expect(schemaProblem({ type: 'text' })).toContain('is no JSON Schema of draft 2020-12');
    expect(schemaProblem({ $ref: 'https://example.com/other' })).toContain("can't resolve reference");
    expect(schemaProblem({ pattern: '(' })).toContain('is no JSON Schema');
  });

  test('may have the id of another, and any number of them are used in turn', () => {
    const make = (limit: number) => ({ $id: 'https://example.com/one', type: 'number', maximum: limit });
    for (const round of [1, 2]) {
      for (let limit = 0; limit < 250; limit += 1) {
        expect([round, limit, schemaErrors(make(limit), limit + 1).length]).toEqual([round, limit, 1]);
      }
    }
  });
});
