import type { ToolAction } from '../../workflows/definition/agents/action-tool.js';
import { exprOf } from '../../workflows/definition/reads.js';
import { textOf, type Json } from '../../workflows/definition/values.js';
import type { Desk } from '../nodes/effect.js';
import { Fault, invalid, isForModel, NodeFailure, outOfTime } from '../nodes/failure.js';
import { bodyOfReceipt, makeCall, prepareCall, requestOf, whatOf, type CallConfig } from '../nodes/http-call.js';
import { dataOf } from './paths.js';
import { redactText, type Turn } from './turn.js';

/** Actions of tools that call other systems. */

export type CallAction = Extract<ToolAction, { readonly type: 'webhook' | 'api_call' }>;

export interface OutsideCall {
  readonly action: CallAction;
  readonly params: Readonly<Record<string, Json>>;
  readonly desk: Desk;
  /** Of the ledger: `tool/2/0.then.1`. */
  readonly part: string;
}

interface Target {
  readonly url: string;
  readonly method?: string;
  readonly timeoutSeconds: number | null;
  /** How often it is sent again at once; null leaves that to the attempts of the step. */
  readonly retries: number | null;
}

const TIMEOUT_SECONDS = 30;
const MOST_RETRIES = 10;
const LONGEST_PAUSE_MS = 8_000;

/** The body of the reply. The call happens once, however often this turn is attempted. */
export async function callOutside(turn: Turn, call: OutsideCall): Promise<Json> {
  const { context, deps } = turn;
  const target = targetOf(turn, call.action);
  const prepared = await prepareCall(configOf(call, target), call.desk);
  const options = { workspaceId: context.run.workspaceId, redactText: call.desk.redactText };
  const ms = Math.ceil(1_000 * (call.action.timeout ?? target.timeoutSeconds ?? TIMEOUT_SECONDS));
  const send = (idempotencyKey: string): Promise<Json> => {
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(ms)]);
    return makeCall(deps.egress, prepared, { ...options, idempotencyKey, signal });
  };
  const receipt = await context.ledger.perform({
    ...{ part: call.part, kind: call.action.type, what: whatOf(prepared), request: requestOf(prepared) },
    onUnknown: { action: 'repeat' },
    whenChanged: 'forks',
    act: (key) => settled(turn, () => repeated(turn, target.retries, () => send(key))),
  });
  const { failure, round } = dataOf(receipt);
  if (failure === undefined) return bodyOfReceipt(receipt);
  // a person who starts the step anew means the call as well
  if (typeof round === 'number' && round < context.round)
    return callOutside(turn, { ...call, part: `${call.part}/again-${context.round}` });
  throw failureOf(failure);
}

/** What the model is told is settled like what happened: after a crash it shall not have happened after all. */
async function settled(turn: Turn, send: () => Promise<Json>): Promise<Json> {
  try {
    return await send();
  } catch (error) {
    if (!isForModel(turn.context, error)) throw error;
    return { failure: { type: error.type, message: redactText(turn, error.message) }, round: turn.context.round };
  }
}

function failureOf(failure: Json): NodeFailure {
  const { type, message } = dataOf(failure);
  const known = Object.values(Fault).find((each) => each === type) ?? Fault.network;
  return new NodeFailure(known, textOf(message ?? null), { retryable: false });
}

function targetOf({ facts }: Turn, { url, endpoint }: CallAction): Target {
  if (url !== undefined) return { url, timeoutSeconds: null, retries: null };
  if (endpoint === undefined) throw invalid(Fault.configInvalid, 'url: give a url or the name of an endpoint.');
  const { endpoints, api_config: api } = facts.tenant.settings;
  const { path, method } = dataOf(dataOf(endpoints)[endpoint]);
  if (typeof path !== 'string')
    throw invalid(
      Fault.configInvalid,
      `endpoint: the organisation has no endpoint "${endpoint}"; add it to its settings.endpoints.`,
    );
  const { base_url: base, timeout, retry_count: retries } = dataOf(api);
  if (typeof base !== 'string')
    throw invalid(Fault.configInvalid, 'endpoint: the organisation has no settings.api_config.base_url; set it.');
  return {
    // whatever a template puts into the path, it stays on this host
    url: `${base.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`,
    ...(typeof method === 'string' ? { method } : {}),
    timeoutSeconds: typeof timeout === 'number' && timeout > 0 ? timeout : null,
    retries: typeof retries === 'number' ? Math.min(retries, MOST_RETRIES) : null,
  };
}

/** A webhook without a body sends what the tool was called with. */
function configOf({ action, params }: OutsideCall, target: Target): CallConfig {
  const { type, headers, body = action.payload } = action;
  const usual = type === 'webhook' || body !== undefined ? 'POST' : 'GET';
  const method = action.method ?? target.method ?? usual;
  const sent = body ?? (type === 'webhook' && method !== 'GET' ? literal(params) : undefined);
  return { method, url: target.url, headers, body: sent === undefined ? undefined : spelledOut(sent) };
}

/** Arguments are values: what looks like a template in them is none. */
const literal = (params: Readonly<Record<string, Json>>): Json =>
  Object.fromEntries(Object.keys(params).map((name) => [name, `{{ params.${name} }}`]));

const isList = (json: Json): json is readonly Json[] => Array.isArray(json);
const bareWord = /^\s*(params(?:\.[A-Za-z_]\w*)+)\s*$/;

/** A bare `params.x` means `{{ params.x }}`. */
export function spelledOut(mapping: Json): Json {
  if (typeof mapping === 'string') return mapping.replace(bareWord, '{{ $1 }}');
  if (mapping === null || typeof mapping !== 'object' || exprOf(mapping) !== null) return mapping;
  if (isList(mapping)) return mapping.map(spelledOut);
  return Object.fromEntries(Object.entries(mapping).map(([key, each]) => [key, spelledOut(each)]));
}

/** Sends again what is worth it, under the same key; after that the step is not attempted anew for it. */
async function repeated(turn: Turn, retries: number | null, send: () => Promise<Json>): Promise<Json> {
  for (let again = 0; ; again += 1) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof NodeFailure) || !error.retryable || retries === null) throw error;
      if (again >= retries) throw error.isUnknown ? error : final(error);
      await pauseFor(turn, error.retryAfterMs ?? 1_000 * 2 ** again);
    }
  }
}

const final = ({ type, message, cause }: NodeFailure): NodeFailure =>
  new NodeFailure(type, message, { retryable: false, cause });

const pauseFor = (turn: Turn, ms: number): Promise<void> => waitFor(turn, Math.min(ms, LONGEST_PAUSE_MS));

/** Ends early when the run is cancelled or the step's time is up. */
export async function waitFor({ context, deps }: Turn, ms: number): Promise<void> {
  try {
    await deps.pause(ms, context.signal);
  } catch (error) {
    throw context.signal.aborted ? outOfTime('The tool', { cause: error }) : error;
  }
}
