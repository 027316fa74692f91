import fs from 'node:fs';
import { expect, test } from '@jest/globals';
import { NewActionTool, configOf } from '../../api/services/action-tool-input.js';
import { NewAgent } from '../../api/services/agent-input.js';
import { agentProblems } from '../../workflows/definition/agents/agent-problems.js';
import { toolProblems } from '../../workflows/definition/agents/tool-problems.js';

const document = fs.readFileSync(new URL('../../../docs/AGENTS.md', import.meta.url), 'utf8');
const [agent = '', tool = ''] = [...document.matchAll(/```json\n([\s\S]*?)\n```/g)].map(([, text = '']) => text);

test('the agent and the tool in AGENTS.md may be saved', () => {
  const made = NewActionTool.parse(JSON.parse(tool));
  expect(toolProblems(configOf(made), { urlProblem: () => null, endpoints: new Set() })).toEqual([]);
  const { name, config } = NewAgent.parse(JSON.parse(agent));
  expect(agentProblems(config, { name, tools: new Set([made.name]) })).toEqual([]);
});

test('AGENTS.md tells every action', () => {
  const schema = JSON.stringify(NewActionTool.toJSONSchema({ unrepresentable: 'any' }));
  const types = [...schema.matchAll(/"const":("[a-z_.]+")/g)].map(([, type = '']) => JSON.parse(type) as string);
  expect(types.length).toBeGreaterThanOrEqual(13);
  for (const type of types) expect(document).toContain(`\`${type}\``);
});
