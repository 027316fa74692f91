import type { RunFacts } from '../../db/run-facts.js';
import type { Names } from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';
import type { NodeContext, NodeDeps } from '../nodes/context.js';
import { createDesk, type Desk } from '../nodes/effect.js';
import { Fault, invalid } from '../nodes/failure.js';
import { createRedactor, recordSecrets, type RecordedSecrets } from '../nodes/redact.js';
import { namesSecret } from '../nodes/template.js';
import { createBoard, type Board } from './board.js';
import { turnNames } from './names.js';

/** One attempt of one turn of a named agent. */
export interface Turn {
  readonly context: NodeContext<'agent_turn'>;
  readonly deps: NodeDeps;
  readonly facts: RunFacts;
  readonly board: Board;
  readonly secrets: RecordedSecrets;
}

export async function openTurn(context: NodeContext<'agent_turn'>, deps: NodeDeps): Promise<Turn> {
  const { node, names, run, secret } = context;
  const board = createBoard({ vars: names['vars'] ?? null, nodeId: node.id, shared: node.config.shared });
  return { context, deps, board, facts: await deps.runFacts(run), secrets: recordSecrets(secret) };
}

export const namesOfTurn = ({ context, facts, board }: Turn): Names => turnNames(context, facts, board);

/** Secrets of any tool of this turn, taken out: what one was sent, another may answer. */
export const redactText = ({ secrets }: Turn, text: string): string => createRedactor(secrets.used).redactText(text);

/** Templates of one action, over the names as they are at this moment. */
export const deskOf = (turn: Turn, names: Readonly<Record<string, Json>>): Desk => ({
  ...createDesk({ ...turn.context, secret: turn.secrets.secret }, { ...namesOfTurn(turn), ...names }),
  redactText: (text) => redactText(turn, text),
});

/** What is told to a model, or kept where it may read it, knows no secrets. */
export function withoutSecrets<T extends Json>(field: string, mapping: T): T {
  if (!namesSecret(JSON.stringify(mapping))) return mapping;
  const message = `${field}: a model is not told secrets; use {{secret:...}} in headers and bodies only.`;
  throw invalid(Fault.templateInvalid, message);
}
