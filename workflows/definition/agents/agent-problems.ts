import { conditionProblem, doubles, problem, spokenProblems, type ConfigProblem } from './config-problems.js';
import type { NamedAgentConfig } from './named-agent.js';

interface Known {
  /** Of the agent itself. */
  readonly name: string;
  /** Those of the tools it names that exist. */
  readonly tools: ReadonlySet<string>;
}

/** Paths lead into the configuration. An agent it hands over to may be made later; a tool may not. */
export function agentProblems(config: NamedAgentConfig, known: Known): readonly ConfigProblem[] {
  return [...promptProblems(config), ...toolProblems(config, known), ...handoffProblems(config, known)];
}

function promptProblems({ prompt }: NamedAgentConfig): readonly ConfigProblem[] {
  return [
    ...spokenProblems(['prompt', 'system'], prompt.system),
    ...spokenProblems(['prompt', 'greeting'], prompt.greeting),
    ...doubles(prompt.variables, ({ name }) => name).flatMap(([index, name]) =>
      problem(['prompt', 'variables', index, 'name'], `names "${name}" again; a variable stands here once`),
    ),
  ];
}

function toolProblems({ tools }: NamedAgentConfig, known: Known): readonly ConfigProblem[] {
  const unknown = tools.flatMap((name, index) =>
    known.tools.has(name) ? [] : problem(['tools', index], `there is no tool "${name}"; create it first`),
  );
  const again = doubles(tools, (name) => name).flatMap(([index, name]) =>
    problem(['tools', index], `names "${name}" again; a tool stands here once`),
  );
  return [...unknown, ...again];
}

function handoffProblems({ handoffs }: NamedAgentConfig, { name: own }: Known): readonly ConfigProblem[] {
  const again = doubles(handoffs, ({ target_agent: target }) => target).flatMap(([index, target]) =>
    problem(['handoffs', index, 'target_agent'], `names "${target}" again; put its conditions into one handoff`),
  );
  return [
    ...handoffs.flatMap(({ target_agent: target, conditions }, index) => [
      ...problem(
        ['handoffs', index, 'target_agent'],
        target === own ? 'must be another agent: it cannot hand over to itself' : null,
      ),
      ...conditions.flatMap((condition, at) =>
        problem(['handoffs', index, 'conditions', at], conditionProblem(condition)),
      ),
    ]),
    ...again,
  ];
}
