import pg from 'pg';
import { measure } from './figures.js';

/** Signs up, makes chains, and listens for the ends of runs. */
export interface Prepare {
  readonly task: 'prepare';
  readonly apiUrl: string;
  readonly databaseUrl: string;
  readonly chains: readonly object[];
}

/** Runs a chain `count` times, each until it has reached `until`. */
export interface Batch {
  readonly task: 'batch';
  readonly slug: string;
  readonly count: number;
  readonly concurrency: number;
  readonly until: 'ended' | 'waiting';
}

export interface Resume {
  readonly task: 'resume';
  readonly slug: string;
  readonly runIds: readonly string[];
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

async function prepare({ apiUrl, databaseUrl, chains }: Prepare): Promise<readonly string[]> {
  const listener = new pg.Client({ connectionString: databaseUrl });
  await listener.connect();
  await listener.query(TRIGGER);
  const arrivals = new Arrivals();
  listener.on('notification', ({ payload = '' }) => {
    const [runId = '', status = ''] = payload.split(' ');
    arrivals.tell(runId, status);
  });
  await listener.query('listen bench');
  const account = { email: 'bench@example.com', password: 'a long enough password', workspace_name: 'Bench' };
  const signedUp = await post({ apiUrl, path: '/v1/auth/signup', body: account });
  session = { apiUrl, token: String(signedUp['access_token']), arrivals };
  const slugs: string[] = [];
  for (const body of chains) {
    slugs.push(String((await post({ apiUrl, token: session.token, path: '/v1/workflow-chains', body }))['slug']));
  }
  return slugs;
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

async function batch({ slug, count, concurrency, until }: Batch): Promise<Measured> {
  const { arrivals, ...api } = requireSession();
  const runIds: string[] = [];
  const expected = until === 'ended' ? 'completed' : 'waiting';
  const measured = await measure({ count, concurrency }, async () => {
    const path = `/v1/workflow-chains/${slug}/run`;
    const runId = String((await post({ ...api, path, body: { input: { text: 'hello' } } }))['run_id']);
    runIds.push(runId);
    const status = await arrivals.of(runId);
    if (status !== expected) throw new Error(`run ${runId} is ${status}, not ${expected}`);
  });
  return { ...measured, runIds };
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

function requireSession(): Session {
  if (session === undefined) throw new Error('prepare comes first');
  return session;
}

const perform = (message: Prepare | Batch | Resume): Promise<unknown> => {
  switch (message.task) {
    case 'prepare':
      return prepare(message);
    case 'batch':
      return batch(message);
    case 'resume':
      return resume(message);
  }
};

process.on('message', (message: Prepare | Batch | Resume) => {
  perform(message).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ failure: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
