import { isDeepStrictEqual } from 'node:util';
import type { Json } from '../../workflows/definition/values.js';
import type { Actor } from '../actor.js';
import type { AuditEntry } from '../services/audit.js';
import type { Answer } from './answer.js';
import { redactValues } from './log.js';
import { cut, redact } from './redact.js';
import type { Route } from './route.js';

interface Done {
  readonly actor: Actor;
  readonly params: Readonly<Record<string, string>>;
  readonly ip: string;
  readonly requestId: string;
  readonly answer: Answer;
  /** The thing before and after; null where nothing shows it. */
  readonly before: Json;
  readonly after: Json;
}

/** How a row's calls are written down; undefined where it keeps none. */
export function auditOf(row: Route): ((done: Done) => AuditEntry) | undefined {
  if (row.method === 'GET' || row.audit === false) return undefined;
  const action = row.audit?.action ?? row.id;
  const entityType = row.audit?.entity ?? row.id.replace(/\.[^.]*$/, '');
  return ({ actor, params, ip, requestId, answer, before, after }) => ({
    workspaceId: actor.workspaceId === '' ? null : actor.workspaceId,
    ...(actor.tenantId === '' ? {} : { tenantId: actor.tenantId }),
    actorType: actor.type,
    actorId: actor.id,
    action,
    entityType,
    entityId: idIn(answer.value) ?? Object.values(redactValues(params)).at(-1) ?? '-',
    metadata: { params: redactValues(params), status: answer.status },
    ...changeOf(row, { before, after, answer }),
    ip,
    requestId,
  });
}

/** Where the thing itself shows no change, as when something new was made beside it, the answer says what came of it. */
function changeOf(
  row: Route,
  { before, after, answer }: Pick<Done, 'before' | 'after' | 'answer'>,
): { readonly before: Json; readonly after: Json } {
  if (row.method === 'DELETE' || !isDeepStrictEqual(before, after)) return { before, after };
  return { before: null, after: answer.text === null ? null : cut(redact(answer.value)) };
}

const idKeys = ['id', 'run_id', 'approval_id', 'slug', 'name'] as const;

function idIn(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  return idKeys.map((key) => fields[key]).find((id) => typeof id === 'string');
}
