import { BENCH_ACCOUNT } from './account.js';
import type { Comparison } from './compare.js';
import { quantile, shown } from './figures.js';

const STREAMS = 100;
const CALLS = 5;
const TURNS = 30;

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
  const turns: number[] = [];
  for (let index = 0; index < CALLS; index += 1) {
    const { call_id: callId } = await api('/api/v1/calls', { workflow_slug: 'front-desk', user_id: 'bench' });
    const url = `${stage.apiUrl}/api/v1/calls/${String(callId)}/turns`;
    const body = { message: 'What are your opening hours?' };
    const { samples } = await caller.requests({
      url,
      method: 'POST',
      isSignedIn: true,
      body,
      count: TURNS,
      status: 200,
    });
    // the first turn waits for the greeting, too
    turns.push(...samples.slice(1));
    await api(`/api/v1/calls/${String(callId)}/end`, {});
  }
  say(
    `a turn of a call without a model, ${turns.length} one at a time: p50 ${shown(quantile(turns, 0.5), 1)} ms, ` +
      `p95 ${shown(quantile(turns, 0.95), 1)} ms`,
  );
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
