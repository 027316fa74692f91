import type { Json } from '../../workflows/definition/values.js';
import type { LlmMessage } from '../llm/port.js';

/** Where an agent keeps its conversation. */
export const memoryName = (nodeId: string): string => `_agent_memory_${nodeId}`;

const REMEMBERED = 40;

type Remembered = Extract<LlmMessage, { readonly role: 'user' | 'assistant' }>;

const isList = (json: Json): json is readonly Json[] => Array.isArray(json);

function readOne(json: Json): readonly Remembered[] {
  if (json === null || typeof json !== 'object' || isList(json)) return [];
  const { role, content } = json;
  const isMessage = (role === 'user' || role === 'assistant') && typeof content === 'string';
  return isMessage ? [{ role, content }] : [];
}

/** What was said before; anything that is no message of ours is left out. */
export function recall(vars: Json, nodeId: string): readonly Remembered[] {
  if (vars === null || typeof vars !== 'object' || isList(vars)) return [];
  const kept = vars[memoryName(nodeId)] ?? null;
  return isList(kept) ? kept.flatMap(readOne) : [];
}

/** The memory after a turn: the last messages, tools' words left out, and an answer without words. */
export const remember = (before: readonly Remembered[], said: string, answered: string): Json =>
  [...before, { role: 'user', content: said } as const, { role: 'assistant', content: answered } as const]
    .filter(({ role, content }) => role === 'user' || content !== '')
    .slice(-REMEMBERED)
    .map(({ role, content }) => ({ role, content }));
