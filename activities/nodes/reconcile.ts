import { evaluateExpr, ExpressionError } from '../../workflows/definition/expressions.js';
import type { Json } from '../../workflows/definition/values.js';
import type { Egress, EgressReply } from '../egress/egress.js';
import { retryAfterMs } from '../egress/retry-after.js';
import { Fault, invalid, NodeFailure } from './failure.js';
import { customHeaders } from './headers.js';
import type { UnknownPolicy } from './ledger.js';
import { bodyOf } from './reply.js';
import { isWorthRepeating } from './status.js';
import type { Templates } from './template.js';

export interface Reconciliation {
  readonly workspaceId: string;
  readonly egress: Egress;
  readonly desk: { readonly templates: Templates };
  readonly policy: Extract<UnknownPolicy, { readonly action: 'reconcile' }>;
  readonly signal: AbortSignal;
}

const REPLY_LIMIT_BYTES = 1024 * 1024;

/** Asks the provider whether the effect happened: its answer is the receipt, or null when it did not happen. */
export async function reconciler({
  workspaceId,
  egress,
  desk: { templates },
  policy,
  signal,
}: Reconciliation): Promise<() => Promise<Json | null>> {
  const url = (await templates.render('on_unknown.url', policy.url)).trim();
  const headers = customHeaders(await templates.renderAll('on_unknown.headers', policy.headers ?? {}));
  return async () => {
    const sent = {
      accept: 'application/json, */*',
      'user-agent': 'Keelson',
      ...headers,
      'accept-encoding': 'identity',
    };
    const request = { workspaceId, method: 'GET', url, headers: sent, signal } as const;
    const reply = await ask(egress, { ...request, replyLimitBytes: REPLY_LIMIT_BYTES });
    const receipt = { status: reply.status, body: bodyOf(reply) };
    return isDone(policy.done_when, receipt) ? receipt : null;
  };
}

/** The effect stays unknown while its provider cannot be asked. */
async function ask(egress: Egress, request: Parameters<Egress['send']>[0]): Promise<EgressReply> {
  const unanswered = (
    why: string,
    options: { readonly retryable: boolean; readonly retryAfterMs?: number | undefined },
  ) =>
    new NodeFailure(Fault.reconcileFailed, `on_unknown: the provider could not be asked whether it happened. ${why}`, {
      ...options,
      isUnknown: true,
    });
  try {
    const reply = await egress.send(request);
    if (!isWorthRepeating(reply.status)) return reply;
    const pause = retryAfterMs(reply.headers['retry-after']);
    throw unanswered(`It answered ${reply.status}.`, { retryable: true, retryAfterMs: pause });
  } catch (error) {
    if (!(error instanceof NodeFailure) || error.type === Fault.reconcileFailed) throw error;
    throw unanswered(error.message, { retryable: error.retryable });
  }
}

function isDone(expr: string, receipt: { readonly status: number; readonly body: Json }): boolean {
  let result: Json;
  try {
    result = evaluateExpr(expr, receipt);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw invalid(Fault.configInvalid, `on_unknown.done_when: ${error.message}`);
  }
  if (typeof result === 'boolean') return result;
  const problem = `on_unknown.done_when: "${expr}" must give true or false; it gave ${JSON.stringify(result).slice(0, 100)}.`;
  throw invalid(Fault.configInvalid, problem);
}
