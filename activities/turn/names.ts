import type { RunFacts } from '../../db/run-facts.js';
import type { Names } from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';
import type { NodeContext } from '../nodes/context.js';
import type { Board } from './board.js';
import { dataOf } from './paths.js';

/** What the prompt, the tools' templates and the conditions of a turn read, as the turn stands. */
export function turnNames(
  { names, node, run, startedAt }: NodeContext<'agent_turn'>,
  { tenant, workflow }: RunFacts,
  board: Board,
): Names {
  const now = board.names();
  const { id, slug, name, settings } = tenant;
  return {
    ...variablesOf(node.config.variables ?? {}, now),
    ...names,
    ...now,
    params: {},
    workflow: { slug: workflow?.slug ?? '', name: workflow?.name ?? '', run_id: run.runId },
    tenant: { id, slug, name, settings },
    agent: { name: node.config.agent, node_id: node.id },
    // the same at every attempt, so that what is sent is too
    now: startedAt.toISOString(),
  };
}

/** The prompt's variables: what the context or the user gives, else their defaults. */
function variablesOf(defaults: Readonly<Record<string, Json>>, names: Names): Readonly<Record<string, Json>> {
  const given = { ...dataOf(names['user']), ...dataOf(names['context']) };
  const found = Object.entries(defaults).map(([name, preset]) => {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    return [name, value ?? preset] as const;
  });
  return Object.fromEntries(found);
}
