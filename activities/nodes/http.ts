import type { NodeAnswer, NodeContext, NodeDeps, NodeRunner } from './context.js';
import { carryOut, createDesk } from './effect.js';
import { bodyOfReceipt, makeCall, prepareCall, requestOf, whatOf } from './http-call.js';
import { pick } from './json-path.js';
import { unknownPolicyOf } from './ledger.js';

async function call(context: NodeContext<'http'>, deps: NodeDeps): Promise<NodeAnswer> {
  const { config } = context.node;
  const desk = createDesk(context);
  const onUnknown = unknownPolicyOf(config);
  const prepared = await prepareCall(config, desk);
  const act = (idempotencyKey: string) =>
    makeCall(deps.egress, prepared, {
      workspaceId: context.run.workspaceId,
      idempotencyKey,
      signal: context.signal,
      redactText: desk.redactText,
      acceptStatus: config.accept_status,
      isFresh: onUnknown.action !== 'repeat',
    });
  // a GET changes nothing, unless its author says that it matters whether it happened
  const isEffect = prepared.method !== 'GET' || onUnknown.action !== 'repeat';
  if (!isEffect && !context.isStubbed) return answer(context, await act(context.idempotencyKey));
  const effect = { kind: 'http', what: whatOf(prepared), request: requestOf(prepared), onUnknown, act };
  const result = await carryOut(context, deps, { desk, effect });
  return 'stub' in result ? result.stub : answer(context, result.receipt);
}

function answer({ node }: NodeContext<'http'>, receipt: NodeAnswer['output']): NodeAnswer {
  const { outputs } = node.config;
  return outputs === undefined ? { output: receipt } : { output: receipt, vars: pick(bodyOfReceipt(receipt), outputs) };
}

/** Output: `{status, headers, body}`. */
export const http =
  (deps: NodeDeps): NodeRunner<'http'> =>
  (context) =>
    call(context, deps);
