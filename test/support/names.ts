import { namesOf } from '../../workflows/definition/expressions.js';

/** What the expressions of tests may read. */
export const names = namesOf({
  input: {
    total: 100,
    half: 2.5,
    name: 'Ana',
    none: null,
    lines: [
      { sku: 'a', n: 2 },
      { sku: 'b', n: 3 },
    ],
    ok: true,
  },
  run: { id: 'run_1', input: { order: 7 } },
  vars: { score: 3, plan: { tier: 'gold' }, vip: true, note: '' },
  steps: { fetch: { status: 200 }, 'fetch-two': { status: 404 } },
  item: { id: 5 },
  index: 2,
  message: 'I want a Refund',
});
