import { expect, test } from '@jest/globals';
import { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import { agentTurnReads } from '../../workflows/definition/agents/reads.js';

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
