import { randomBytes } from 'node:crypto';
import { Connection } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { createTemporalGateway } from '../../api/temporal/gateway.js';
import { ensureNamespace } from '../../local/temporal-namespace.js';
import { MASTER_KEY, startTestApi, type Person, type TestApi } from './api.js';
import { otherDefaults, type Walk } from './call-walks.js';
import { callerOf, type Said } from './calls.js';
import type { Answered } from './http.js';
import { temporalAddress } from './temporal.js';
import { until } from './until.js';
import { startWorkerProcess, type WorkerProcess } from './worker-process.js';

/** Walks through calls while the workers that carry them are killed. */

export interface WalkStage extends TestApi {
  readonly startWorker: () => WorkerProcess;
}

/** The API here, its workers in processes of their own. */
export async function openWalkStage(): Promise<WalkStage> {
  const address = await temporalAddress();
  const namespace = `walks-${randomBytes(6).toString('hex')}`;
  const own = await Connection.connect({ address });
  await ensureNamespace(own, namespace);
  await own.close();
  // the SDK's runtime, once installed, ends with its last native connection
  const connection = await NativeConnection.connect({ address });
  const temporal = createTemporalGateway({ connection, namespace, eagerStart: false });
  const api = await startTestApi({ temporal: () => temporal });
  const env = {
    ...{ DATABASE_URL: api.databaseUrl, KEELSON_MASTER_KEY: MASTER_KEY },
    ...{ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace },
  };
  return {
    ...api,
    startWorker: () => startWorkerProcess(env),
    close: async () => {
      await api.close();
      await connection.close();
    },
  };
}

/** Makes the stand-in for a model call the tools with other values. */
export async function changeDefaults(person: Person): Promise<void> {
  for (const [tool, values] of Object.entries(otherDefaults)) {
    const { body } = await person.call('GET', `/api/v1/tools/${tool}`);
    // -- reason: the shape of a tool's reply; the PATCH refuses anything else
    const { parameters } = body as unknown as { readonly parameters: readonly { readonly name: string }[] };
    const changed = parameters.map((each) => (each.name in values ? { ...each, default: values[each.name] } : each));
    const patched = await person.call('PATCH', `/api/v1/tools/${tool}`, { body: { config: { parameters: changed } } });
    if (patched.status !== 200) throw new Error(patched.text);
  }
}

export interface Walking {
  readonly walk: Walk;
  readonly person: Person;
  readonly callId: string;
  /** What was sent, a word of its own in each message. */
  readonly sent: string[];
  /** What came back for the greeting and for each message. */
  readonly heard: Said['messages'][];
}

/** How long what a killed worker was at may stay undone, in milliseconds. */
const PATIENCE_MS = 100_000;

/** A client that sends again, under its key, what was not answered. */
async function insisting(person: Person, path: string, sent: { readonly body: object; readonly key: string }) {
  const ask = (): Promise<Answered> =>
    person.call('POST', path, { body: sent.body, headers: { 'idempotency-key': sent.key } });
  const answer = await until(ask, ({ status }) => status < 500, PATIENCE_MS);
  if (answer.status >= 300) throw new Error(`${path} (${sent.key}): ${answer.status} ${answer.text}`);
  return answer.body;
}

export async function beginWalk(walk: Walk, person: Person): Promise<Walking> {
  const key = walk.name.replaceAll(/\W+/g, '-');
  const body = { workflow_slug: walk.slug, user_context: walk.user };
  const started = await insisting(person, '/api/v1/calls', { body, key: `${walk.slug}-${key}` });
  return { walk, person, callId: String(started['call_id']), sent: [], heard: [] };
}

export const roundsOf = ({ steps, hangup }: Walk): number => 1 + steps.length + (hangup === undefined ? 0 : 1);

/** Round 0 waits for the greeting, each of the next says one message, and one hangs up. */
export async function takeRound({ walk, person, callId, sent, heard }: Walking, round: number): Promise<void> {
  if (round >= roundsOf(walk)) return;
  const path = `/api/v1/calls/${callId}`;
  const key = `${callId}-${round}`;
  const step = walk.steps[round - 1];
  if (round > walk.steps.length) {
    await insisting(person, `${path}/end`, { body: { reason: walk.hangup }, key });
    return;
  }
  const message = step === undefined ? undefined : `${step.message} (word-${walk.slug}-${round})`;
  if (message !== undefined) sent.push(message);
  const answer = await insisting(person, `${path}/turns`, { body: message === undefined ? {} : { message }, key });
  // -- reason: the shape of a turn's reply; the walk's expectations fail with anything else
  heard.push((answer as unknown as Said).messages);
}

/** What the last killed worker was at is done by the next. */
export async function untilEnded({ person, callId }: Walking): Promise<void> {
  await until(
    () => callerOf(person).get(callId),
    (call) => call['ended_at'] !== null,
    PATIENCE_MS,
  );
}
