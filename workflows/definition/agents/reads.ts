import type { Reads } from '../plan.js';
import { mergeReads, readsOfMapping, readsOfTemplate } from '../reads.js';
import type { Json } from '../values.js';
import type { AgentTurnConfig } from './agent-turn.js';
import type { ToolAction } from './action-tool.js';

/**
 * What a node of kind `agent_turn` reads, for its plan: the run's variables and message always, and whatever its prompt
 * and its tools' templates name beside them.
 */
export function agentTurnReads({ system, tools }: Pick<AgentTurnConfig, 'system' | 'tools'>): Reads {
  const actions = tools.flatMap(({ config }) => [...config.actions, ...config.on_success, ...config.on_failure]);
  return mergeReads(
    { vars: true, message: true },
    readable(() => readsOfTemplate(system)),
    ...actions.map(readsOfAction),
  );
}

/** Every text of an action may be a template; names of keys and flags read nothing. */
function readsOfAction(action: ToolAction): Reads {
  if (action.type !== 'condition') return readable(() => readsOfMapping(asJson(action)));
  return mergeReads(
    readable(() => readsOfMapping({ $expr: action.if })),
    ...[...action.then, ...action.else].map(readsOfAction),
  );
}

/** What cannot be read at all says so when it is used. */
function readable(reads: () => Reads): Reads {
  try {
    return reads();
  } catch {
    return {};
  }
}

// -- reason: an action is plain data; its type only says more than `Json` does
const asJson = (action: object): Json => JSON.parse(JSON.stringify(action)) as Json;
