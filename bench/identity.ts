import Koa from 'koa';
import { z } from 'zod';
import { listen } from '../api/http/listen.js';
import { route } from '../api/http/route.js';
import { hashPassword, verifyPassword } from '../api/services/passwords.js';
import { BENCH_ACCOUNT } from './account.js';
import type { Comparison } from './compare.js';
import { measure, quantile, shown, table } from './figures.js';

const WARM_UP = 200;
const COUNT = 1_000;
const SIGN_INS = 60;

const nothing = route({
  id: 'bench.nothing',
  method: 'GET',
  path: '/nothing',
  summary: 'Nothing',
  tag: 'bench',
  auth: 'member',
  can: 'workspace.read',
  reply: z.object({ ok: z.boolean() }),
  handle: () => Promise.resolve({ ok: true }),
});

/** What stands between a caller and a handler: credential, rights, rate limit, log line; and what a sign-in costs. */
export async function measureIdentity(given: Comparison, say: (text: string) => void): Promise<void> {
  const bare = await listen(bareKoa(), { port: 0, host: '127.0.0.1' });
  const ours = await given.stage.serve([nothing]);
  try {
    await measureNothing(given, { bare: bare.port, ours: ours.port }, say);
  } finally {
    await Promise.all([bare.close(), ours.close()]);
  }
  await measureSignIn(given, say);
}

function bareKoa(): Koa {
  const app = new Koa();
  app.use((ctx) => {
    ctx.body = { ok: true };
  });
  return app;
}

/** In turns, so that what else the machine does falls on both. */
async function measureNothing(
  { caller }: Comparison,
  ports: Readonly<Record<'bare' | 'ours', number>>,
  say: (text: string) => void,
): Promise<void> {
  const samples = { bare: [] as number[], ours: [] as number[] };
  for (const kind of ['bare', 'ours', 'bare', 'ours', 'bare', 'ours'] as const) {
    const request = { method: 'GET', isSignedIn: kind === 'ours', status: 200 } as const;
    const url = `http://127.0.0.1:${ports[kind]}/nothing`;
    if (samples[kind].length === 0) await caller.requests({ ...request, url, count: WARM_UP });
    samples[kind].push(...(await caller.requests({ ...request, url, count: COUNT })).samples);
  }
  const row = (name: string, of: readonly number[]): readonly string[] => [
    name,
    shown(quantile(of, 0.5), 2),
    shown(quantile(of, 0.95), 2),
    shown(quantile(of, 0.5) / quantile(samples.bare, 0.5), 1),
  ];
  const rows = [['', 'p50 ms', 'p95 ms', 'ratio'], row('bare Koa', samples.bare), row('signed in', samples.ours)];
  say(`\nA request that does nothing, ${COUNT * 3} each, one at a time\n${table(rows)}`);
}

async function measureSignIn({ caller, stage }: Comparison, say: (text: string) => void): Promise<void> {
  const hash = await hashPassword(BENCH_ACCOUNT.password);
  const alone = await measure({ count: SIGN_INS, concurrency: 1 }, async () => {
    await verifyPassword(hash, BENCH_ACCOUNT.password);
  });
  const url = `${stage.apiUrl}/v1/auth/login`;
  const request = { url, method: 'POST', isSignedIn: false, count: SIGN_INS } as const;
  const right = await caller.requests({ ...request, body: BENCH_ACCOUNT, status: 200 });
  // a fresh address each time would be fairer still, but five failures lock one: both stay below that
  const wrong = async (email: string) =>
    caller.requests({ ...request, count: 4, body: { email, password: 'a wrong password' }, status: 401 });
  const known = await wrong(BENCH_ACCOUNT.email);
  const unknown = await wrong('nobody@example.com');
  const p50 = ({ samples }: { readonly samples: readonly number[] }): string => shown(quantile(samples, 0.5), 1);
  say(
    `\nA sign-in, ${SIGN_INS} one at a time: p50 ${p50(right)} ms, of which argon2 alone ${p50(alone)} ms; ` +
      `a wrong password ${p50(known)} ms, an address nobody has ${p50(unknown)} ms`,
  );
}
