import { describe, expect, test } from '@jest/globals';
import { truthCondition, type TruthScope } from '../../workflows/definition/agents/truth-condition.js';
import { evaluateExpr } from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';

type Known = Readonly<Record<string, Json>>;

const nothing: Known = { flags: {}, context: {}, user: {} };
const much: Known = {
  flags: { verified: true, no: false, a: true },
  context: {
    count: 4,
    items: [{ x: 1, name: 'z' }],
    tags: ['x'],
    name: 'xy',
    'my key': 1,
    skip_meal: 'yes',
    nested: { b: 1 },
  },
  user: { tier: 'gold', name: 'ana', visits: 0 },
};

function holds(text: string, known: Known, scope: TruthScope): Json {
  const truth = truthCondition(text, scope);
  if ('problem' in truth) throw new Error(truth.problem);
  return evaluateExpr(truth.expr, scope === 'vars' ? { vars: known } : { ...known, vars: known });
}

/** `[condition, of nothing, of much]`. */
const rows: readonly (readonly [string, boolean, boolean])[] = [
  ['flags.verified', false, true],
  ['{{ flags.verified }}', false, true],
  ['{{flags.verified}} && {{context.count}} > 3', false, true],
  ['skip_meal', false, true],
  ['nested.b', false, true],
  ['!flags.verified', true, false],
  ['!flags.no', true, true],
  ['user.visits', false, false],
  ['context.count > 3', false, true],
  ['!(context.count > 3)', true, false],
  ['user.tier == "gold"', false, true],
  ['user.tier != "gold"', true, false],
  ['user.tier in ["gold", "silver"]', false, true],
  ['size(context.items) > 0', false, true],
  ['context.items.exists(item, item.x == 1)', false, true],
  ['context.items[0].name == "z"', false, true],
  ['context["my key"]', false, true],
  ['has(context.nested.b)', false, true],
  ['flags.?b.orValue(true)', true, true],
  ['flags.a ? context.nested.b : user.tier', false, true],
  ['vars.flags.verified', false, true],
  ['"x" in context.tags', false, true],
  ['context.name.startsWith("x")', false, true],
  ['true', true, true],
];

describe.each<TruthScope>(['names', 'vars'])('over %s', (scope) => {
  test.each(rows)('%s', (text, ofNothing, ofMuch) => {
    expect([holds(text, nothing, scope), holds(text, much, scope)]).toEqual([ofNothing, ofMuch]);
  });
});

test.each<readonly [Json, boolean]>([
  ...([null, false, '', 0, 'false', []].map((value) => [value, false] as const) as readonly [Json, boolean][]),
  ...([true, 'no', 1, -1, [0], {}, '0'].map((value) => [value, true] as const) as readonly [Json, boolean][]),
])('%j is %s', (value, truth) => {
  expect(holds('context.it', { context: { it: value } }, 'vars')).toBe(truth);
});

test.each([
  ['flags.', /Expected IDENTIFIER/],
  ['input.text == "x"', /reads input; conditions know flags, context, user, vars/],
  ['flags.a && strange.b', /Unknown variable: strange/],
  ['{{ flags.a | upcase }}', /./],
  ['', /./],
])('%s is refused', (text, sentence) => {
  const truth = truthCondition(text, 'names');
  expect('problem' in truth ? truth.problem : 'none').toMatch(sentence);
});
