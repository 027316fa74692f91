import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { measure } from './figures.js';
import type { Graph } from './graphs.js';
import { BENCH_ACCOUNT } from './account.js';

/** Signs up, makes chains, and listens for the ends of runs. */
export interface Prepare {
  readonly task: 'prepare';
  readonly apiUrl: string;
  readonly databaseUrl: string;
  readonly chains: readonly object[];
  readonly graphs: readonly Graph[];
}

/** Runs a chain or a graph `count` times, each until it has reached `until`. */
export interface Batch {
  readonly task: 'batch';
  readonly by: 'chain' | 'graph';
  readonly slug: string;
  readonly count: number;
  readonly concurrency: number;
  /** `answered`: the request itself waits for the end. */
  readonly until: 'ended' | 'waiting' | 'answered';
}

export interface Resume {
  readonly task: 'resume';
  readonly slug: string;
  readonly runIds: readonly string[];
}

/** Switches the log of what happens in runs off, or on again. */
export interface Log {
  readonly task: 'log';
  readonly isOn: boolean;
}

/** Sends one request again and again, one at a time. */
export interface Requests {
  readonly task: 'requests';
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** As the account that `prepare` made. */
  readonly isSignedIn: boolean;
  readonly body?: object;
  readonly count: number;
  /** What the answers must be. */
  readonly status: number;
  /** Until the first message of a stream has come; the rest is read before the next request. Default: until all has. */
  readonly until?: 'first-event';
  /** Between two requests, in milliseconds, as somebody would who reads the answer first. */
  readonly pauseMs?: number;
}

export interface Measured {
  readonly samples: readonly number[];
  readonly totalMs: number;
  readonly runIds: readonly string[];
}

interface Session {
  readonly apiUrl: string;
  readonly token: string;
  readonly arrivals: Arrivals;
  readonly database: pg.Client;
  /** The function that writes the log, as it was made. */
  readonly logFunction: string;
}

/** Told by the database the moment a run's row says so: no polling beside the measurement. */
const TRIGGER = `
  create or replace function bench_tell() returns trigger language plpgsql as
    $$ begin perform pg_notify('bench', new.id || ' ' || new.status); return null; end $$;
  create or replace trigger bench_tell after update of status on runs for each row
    when (new.status in ('completed', 'failed', 'cancelled', 'waiting')) execute function bench_tell();`;

class Arrivals {
  private readonly seen = new Map<string, string>();
  private readonly waiters = new Map<string, (status: string) => void>();

  tell(runId: string, status: string): void {
    const waiter = this.waiters.get(runId);
    this.waiters.delete(runId);
    if (waiter === undefined) this.seen.set(runId, status);
    else waiter(status);
  }

  of(runId: string): Promise<string> {
    const status = this.seen.get(runId);
    this.seen.delete(runId);
    if (status !== undefined) return Promise.resolve(status);
    return new Promise((resolve) => this.waiters.set(runId, resolve));
  }
}

let session: Session | undefined;

async function prepare({ apiUrl, databaseUrl, chains, graphs }: Prepare): Promise<string> {
  const listener = new pg.Client({ connectionString: databaseUrl });
  await listener.connect();
  await listener.query(TRIGGER);
  const arrivals = new Arrivals();
  listener.on('notification', ({ payload = '' }) => {
    const [runId = '', status = ''] = payload.split(' ');
    arrivals.tell(runId, status);
  });
  await listener.query('listen bench');
  const account = { ...BENCH_ACCOUNT, workspace_name: 'Bench' };
  const signedUp = await post({ apiUrl, path: '/v1/auth/signup', body: account });
  const token = String(signedUp['access_token']);
  session = { apiUrl, token, arrivals, database: listener, logFunction: await logFunctionOf(listener) };
  for (const body of chains) await post({ apiUrl, token, path: '/v1/workflow-chains', body });
  for (const { slug, ...graph } of graphs) {
    const body = { name: slug, slug, engine: 'automation', graph };
    const { id } = await post({ apiUrl, token, path: '/v1/workflows', body });
    await post({ apiUrl, token, path: `/v1/workflows/${String(id)}/publish`, body: {} });
  }
  return 'ready';
}

interface Post {
  readonly apiUrl: string;
  readonly path: string;
  readonly body: object;
  readonly token?: string;
}

async function post({ apiUrl, path, body, token }: Post): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(`${apiUrl}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  // -- reason: replies of our own API are objects
  const reply = (await response.json()) as Readonly<Record<string, unknown>>;
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${JSON.stringify(reply)}`);
  return reply;
}

async function batch({ count, concurrency, until, ...target }: Batch): Promise<Measured> {
  const { arrivals, ...api } = requireSession();
  const runIds: string[] = [];
  const request = requestFor(target, until);
  const expected = until === 'waiting' ? 'waiting' : 'completed';
  const measured = await measure({ count, concurrency }, async () => {
    const reply = await post({ ...api, ...request });
    const runId = String(reply['run_id'] ?? reply['id']);
    runIds.push(runId);
    const told = arrivals.of(runId);
    const status = until === 'answered' ? reply['status'] : await told;
    if (status !== expected) throw new Error(`run ${runId} is ${String(status)}, not ${expected}`);
  });
  return { ...measured, runIds };
}

const WAIT_SECONDS = 60;

function requestFor(
  { by, slug }: Pick<Batch, 'by' | 'slug'>,
  until: Batch['until'],
): { readonly path: string; readonly body: object } {
  const input = { text: 'hello' };
  if (by === 'chain') return { path: `/v1/workflow-chains/${slug}/run`, body: { input } };
  const wait = until === 'answered' ? WAIT_SECONDS : 0;
  return { path: '/v1/runs', body: { definition: slug, input, wait } };
}

async function resume({ slug, runIds }: Resume): Promise<Measured> {
  const { arrivals, ...api } = requireSession();
  const measured = await measure({ count: runIds.length, concurrency: 1 }, async (index) => {
    const path = `/v1/workflow-chains/${slug}/runs/${runIds[index]}/resume`;
    await post({ ...api, path, body: { decision: 'approve' } });
  });
  for (const runId of runIds) {
    const status = await arrivals.of(runId);
    if (status !== 'completed') throw new Error(`run ${runId} is ${status} after it was approved`);
  }
  return { ...measured, runIds };
}

async function requests({ url, method, isSignedIn, body, count, status, until, pauseMs }: Requests): Promise<Measured> {
  const { token } = requireSession();
  const init: RequestInit = {
    method,
    headers: {
      ...(isSignedIn ? { authorization: `Bearer ${token}` } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
  const samples: number[] = [];
  const measured = await measure({ count, concurrency: 1 }, async () => {
    if (pauseMs !== undefined) await pause(pauseMs);
    const startedAt = performance.now();
    const take = (): void => void samples.push(performance.now() - startedAt);
    const response = await fetch(url, init);
    const text = await (until === undefined ? response.text() : wholeStream(response, take));
    if (until === undefined) take();
    if (response.status !== status) throw new Error(`${url} answered ${response.status}: ${text}`);
  });
  return { ...measured, samples, runIds: [] };
}

/** To its end, so that what is measured next is not beside the rest of this; tells when the first message was there. */
async function wholeStream(response: Response, onFirst: () => void): Promise<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let isFirst = true;
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return text;
    text += value;
    if (isFirst && /^data:.*\n\n/m.test(text)) {
      isFirst = false;
      onFirst();
    }
  }
}

async function logFunctionOf(database: pg.Client): Promise<string> {
  const { rows } = await database.query<{ readonly text: string }>(
    `select pg_get_functiondef('append_run_event'::regproc) as text`,
  );
  return rows[0]?.text ?? '';
}

const NO_LOG = `create or replace function append_run_event(of_run text, of_type text, of_data jsonb) returns void
  language plpgsql as $$ begin end $$`;

async function switchLog({ isOn }: Log): Promise<string> {
  const { database, logFunction } = requireSession();
  await database.query(isOn ? logFunction : NO_LOG);
  return isOn ? 'on' : 'off';
}

function requireSession(): Session {
  if (session === undefined) throw new Error('prepare comes first');
  return session;
}

type Message = Prepare | Batch | Resume | Log | Requests;

const perform = (message: Message): Promise<unknown> => {
  switch (message.task) {
    case 'prepare':
      return prepare(message);
    case 'batch':
      return batch(message);
    case 'resume':
      return resume(message);
    case 'log':
      return switchLog(message);
    case 'requests':
      return requests(message);
  }
};

process.on('message', (message: Message) => {
  perform(message).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ failure: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
