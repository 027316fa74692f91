import { setTimeout as pause } from 'node:timers/promises';
import { BENCH_ACCOUNT } from './account.js';
import type { Comparison } from './compare.js';
import { quantile, shown } from './figures.js';
import type { Stage } from './stage.js';

const STREAMS = 100;
const CALLS = 5;
const TURNS = 30;
/** Nobody speaks before the answer was heard. */
const PAUSE_MS = 150;

/** What a caller waits for beside the model: the first event of a staged workflow, and a turn of a call. */
export async function measureConversations({ stage, caller }: Comparison, say: (text: string) => void): Promise<void> {
  const api = await signIn(stage.apiUrl);
  const stream = {
    url: `${stage.apiUrl}/api/v1/workflows/analysis_code/run-stream`,
    method: 'POST',
    isSignedIn: true,
    body: { message: 'How many kettles were sold?' },
    status: 200,
    until: 'first-event',
  } as const;
  await caller.requests({ ...stream, count: 20 });
  const { samples: first } = await caller.requests({ ...stream, count: STREAMS });
  say(
    `\nrun-stream, ${STREAMS} one at a time: first event p50 ${shown(quantile(first, 0.5), 1)} ms, ` +
      `p95 ${shown(quantile(first, 0.95), 1)} ms`,
  );
  await measureTurns({ stage, caller }, api, say);
}

/** Of a call, and of a conversation written by hand, one call after the other and one turn at a time. */
async function measureTurns(
  { stage, caller }: Pick<Comparison, 'stage' | 'caller'>,
  api: Post,
  say: (text: string) => void,
): Promise<void> {
  const ours: number[] = [];
  const byHand: number[] = [];
  for (let index = 0; index < CALLS; index += 1) {
    const { call_id: callId } = await api('/api/v1/calls', { workflow_slug: 'front-desk', user_id: 'bench' });
    const turn = {
      url: `${stage.apiUrl}/api/v1/calls/${String(callId)}/turns`,
      method: 'POST',
      isSignedIn: true,
      body: { message: 'What are your opening hours?' },
      status: 200,
    } as const;
    const { samples } = await caller.requests({ ...turn, count: TURNS, pauseMs: PAUSE_MS });
    // the first turn waits for the greeting, too
    ours.push(...samples.slice(1));
    await api(`/api/v1/calls/${String(callId)}/end`, {});
    byHand.push(...(await turnsByHand(stage, `hand/talk/${index}`)).slice(1));
  }
  const shownOf = (samples: readonly number[]): string =>
    `p50 ${shown(quantile(samples, 0.5), 1)} ms, p95 ${shown(quantile(samples, 0.95), 1)} ms`;
  const ratio = quantile(ours, 0.5) / quantile(byHand, 0.5);
  say(
    `a turn, ${ours.length} one at a time, ${PAUSE_MS} ms after the answer to the last:\n` +
      `  an update and an empty activity, by hand   ${shownOf(byHand)}\n` +
      `  of a call, without a model                 ${shownOf(ours)}, ratio ${shown(ratio, 2)}`,
  );
}

async function turnsByHand(stage: Stage, id: string): Promise<readonly number[]> {
  const talk = await stage.talkByHand(id);
  const samples: number[] = [];
  for (let index = 0; index < TURNS; index += 1) {
    await pause(PAUSE_MS);
    const startedAt = performance.now();
    await talk.say();
    samples.push(performance.now() - startedAt);
  }
  await talk.leave();
  return samples;
}

type Post = (path: string, body: object) => Promise<Readonly<Record<string, unknown>>>;

async function signIn(apiUrl: string): Promise<Post> {
  const post =
    (token?: string): Post =>
    async (path, body) => {
      const response = await fetch(apiUrl + path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(body),
      });
      if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
      // -- reason: replies of our own API are objects
      return (await response.json()) as Readonly<Record<string, unknown>>;
    };
  const { access_token: token } = await post()('/v1/auth/login', BENCH_ACCOUNT);
  return post(String(token));
}
