import { expect, test } from '@jest/globals';
import { ActionToolConfig } from '../../workflows/definition/agents/action-tool.js';
import { agentProblems } from '../../workflows/definition/agents/agent-problems.js';
import { dialects } from '../../workflows/definition/dialects.js';
import { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import { callStarters } from '../../workflows/definition/agents/starter-calls.js';
import { toolProblems } from '../../workflows/definition/agents/tool-problems.js';
import { known } from '../support/dags.js';

const { agents, tools, workflows } = callStarters;
const around = { urlProblem: () => null, endpoints: new Set<string>() };

test('names are given once', () => {
  for (const names of [
    agents.map(({ name }) => name),
    tools.map(({ name }) => name),
    workflows.map(({ slug }) => slug),
  ])
    expect(new Set(names).size).toBe(names.length);
});

test.each(tools)('the tool $name is sound', ({ config }) => {
  expect(toolProblems(ActionToolConfig.parse(config), around)).toEqual([]);
});

test.each(agents)('the agent $name is sound', ({ name, config }) => {
  const named = new Set(tools.map((tool) => tool.name));
  expect(agentProblems(NamedAgentConfig.parse(config), { name, tools: named })).toEqual([]);
});

test.each(workflows)('$slug compiles without a word', ({ document }) => {
  const context = known(
    agents.map(({ name, display_name: displayName, description, config }) => ({
      ...{ name, displayName, description, isActive: true },
      config: NamedAgentConfig.parse(config),
    })),
    tools.map((tool) => ({ ...tool, config: ActionToolConfig.parse(tool.config) })),
  );
  expect(dialects.agent_dag.compile(document, context)).toMatchObject({ problems: [], plan: { entry: 'call' } });
});
