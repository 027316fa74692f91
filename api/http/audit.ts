import type { Actor } from '../actor.js';
import type { AuditEntry } from '../services/audit.js';
import type { Answer } from './answer.js';
import { redactValues } from './log.js';
import type { Route } from './route.js';

interface Done {
  readonly actor: Actor;
  readonly params: Readonly<Record<string, string>>;
  readonly requestId: string;
  readonly answer: Answer;
}

/** How a row's calls are written down; undefined where it keeps none. */
export function auditOf(row: Route): ((done: Done) => AuditEntry) | undefined {
  if (row.method === 'GET' || row.audit === false) return undefined;
  const action = row.audit?.action ?? row.id;
  const entityType = row.audit?.entity ?? row.id.replace(/\.[^.]*$/, '');
  return ({ actor, params, requestId, answer }) => ({
    workspaceId: actor.workspaceId === '' ? null : actor.workspaceId,
    actorType: actor.type,
    actorId: actor.id,
    action,
    entityType,
    entityId: idIn(answer.value) ?? Object.values(redactValues(params)).at(-1) ?? '-',
    metadata: { params: redactValues(params), status: answer.status },
    requestId,
  });
}

const idKeys = ['id', 'run_id', 'approval_id', 'slug', 'name'] as const;

function idIn(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  return idKeys.map((key) => fields[key]).find((id) => typeof id === 'string');
}
