import { describe, expect, test } from '@jest/globals';
import { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import { agentTurnReads } from '../../workflows/definition/agents/reads.js';
import { isTruthy, truthExpr } from '../../workflows/definition/agents/truth.js';
import { evaluateExpr, exprProblem } from '../../workflows/definition/expressions.js';

const names = {
  flags: { on: true, off: false },
  context: { zero: 0, word: 'x', none: null, list: [], deep: { er: { st: 1 } } },
  user: { name: 'Ada' },
  params: {},
  vars: { flags: { on: true } },
};
const holds = (text: string): boolean => isTruthy(evaluateExpr(truthExpr(text), names));

describe('a condition as authors write it', () => {
  test.each([
    'flags.on',
    ' {{flags.on}} ',
    '{{- flags.on -}}',
    'user',
    'word',
    'context.word',
    'deep.er.st',
    '!flags.off',
    'vars.flags.on',
  ])('%s holds', (text) => expect(holds(text)).toBe(true));

  test.each([
    ...[
      'flags.off',
      'flags.never',
      'user.name.first',
      'context.zero',
      'zero',
      'none',
      'list',
      'deep.er.nothing',
      'params',
    ],
    ...['flags.never && flags.on', 'user.name == "flags.on"', 'false'],
  ])('%s does not', (text) => expect(holds(text)).toBe(false));

  test('is CEL that the compilers can check', () => {
    const known = ['flags', 'context', 'user'];
    for (const text of ['flags.on', '{{ booking.day }}', 'flags.a && !flags.b'])
      expect(exprProblem(truthExpr(text), known)).toBeNull();
    expect(exprProblem(truthExpr('flags.a &&'), known)).toEqual(expect.any(String));
  });
});

test('a turn reads variables and the message, and the steps that its texts name', () => {
  const config = ActionToolConfig.parse({
    actions: [
      { type: 'context.set', key: 'a', value: [{ deep: '{{ steps.first.x }}' }] },
      { type: 'condition', if: 'steps.second.ok', then: [{ type: 'log', message: '{{ item }}' }] },
      { type: 'respond', message: '{{ broken' },
    ],
    on_failure: [{ type: 'webhook', url: 'https://x.example/{{ steps.third }}' }],
  });
  const tools = [{ name: 't', description: '', config }];
  expect(agentTurnReads({ system: 'Hi {{ user.name }}', tools: [] })).toEqual({ vars: true, message: true });
  const handoff = { agent: 'a', node: 'b', description: '', conditions: ['steps.fourth.ok == true'], passes: [] };
  expect(agentTurnReads({ system: '{{ run.input.x }}', tools, handoffs: [handoff] })).toEqual({
    ...{ vars: true, message: true, run: true, item: true },
    steps: ['first', 'fourth', 'second', 'third'],
  });
});
