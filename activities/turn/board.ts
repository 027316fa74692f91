import type { AgentTurnOutput, TurnHandoff } from '../../workflows/definition/agents/agent-turn.js';
import type { Names } from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';
import { contextsOf, mergedContext, withPassed, withRemoved, withSet, type Place } from './contexts.js';
import { contextPath, dataOf, valueIn } from './paths.js';

export type Outcome = Pick<AgentTurnOutput, 'outcome' | 'target' | 'reason'>;
type Data = Readonly<Record<string, Json>>;

/** What the tools of one turn change; the run gets it when the turn is over. */
export interface Board {
  /** `context` (shared and own), `flags`, `user`, and `vars` as they are now. */
  readonly names: () => Names;
  readonly get: (path: string) => Json;
  readonly set: (path: string, value: Json) => void;
  readonly remove: (path: string) => void;
  readonly flag: (name: string, isSet: boolean) => void;
  /** Words of the agent: said if the model itself says nothing, or as its last in any case. */
  readonly say: (text: string, when: 'if_silent' | 'at_end') => void;
  /** How the turn ends; what was decided first stays. */
  readonly decide: (outcome: Outcome) => void;
  readonly outcome: () => Outcome | null;
  /** What the agent said, after its model's own words. */
  readonly words: (ofModel: string) => string;
  /** Gives keys of the agent's own context to other nodes. */
  readonly pass: (passes: TurnHandoff['passes']) => void;
  /** The variables that changed. */
  readonly changed: () => Data;
}

export interface BoardSource extends Place {
  readonly vars: Json;
}

export function createBoard(source: BoardSource): Board {
  const { vars } = source;
  const before = { contexts: contextsOf(vars), flags: dataOf(dataOf(vars)['flags']) };
  let { contexts, flags } = before;
  const changed = (): Data => ({
    ...(contexts.shared === before.contexts.shared ? {} : { context: contexts.shared }),
    ...(flags === before.flags ? {} : { flags }),
    ...(contexts.agents === before.contexts.agents ? {} : { agent_context: contexts.agents }),
  });
  const context = (): Data => mergedContext(contexts, source.nodeId);
  return {
    get: (path) => valueIn(context(), contextPath(path).keys),
    set: (path, value) => {
      contexts = withSet(contexts, source, { path: contextPath(path), value });
    },
    remove: (path) => {
      contexts = withRemoved(contexts, source, contextPath(path).keys);
    },
    flag: (name, isSet) => {
      flags = { ...flags, [name]: isSet };
    },
    pass: (passes) => {
      contexts = passes.reduce((now, pass) => withPassed(now, source, pass), contexts);
    },
    names: () => ({
      ...{ context: context(), flags, user: dataOf(dataOf(vars)['user']) },
      vars: { ...dataOf(vars), ...changed() },
    }),
    changed,
    ...createEnding(),
  };
}

/** What is said and how the turn ends. */
function createEnding(): Pick<Board, 'say' | 'decide' | 'outcome' | 'words'> {
  const silent: string[] = [];
  const last: string[] = [];
  let outcome: Outcome | null = null;
  return {
    say: (text, when) => void (when === 'at_end' ? last : silent).push(text),
    decide: (decided) => {
      outcome ??= decided;
    },
    outcome: () => outcome,
    words: (ofModel) => {
      const spoken = ofModel.trim() === '' ? silent.join('\n') : ofModel;
      return [spoken, ...last].filter((part) => part.trim() !== '').join('\n');
    },
  };
}
