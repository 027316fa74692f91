import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { TakeTurn } from '../../workflows/contract/messages.js';
import type { RunRef } from '../../workflows/contract/run.js';
import { beginStep, endStep, NOTHING_TO_FLUSH } from '../../db/run-records.js';
import { inline, type Json } from '../../workflows/definition/values.js';
import { startTestApi, type Person, type TestApi } from '../support/api.js';
import { callerOf, publishLine } from '../support/calls.js';
import { stepRecord } from '../support/runs.js';
import { scriptedTemporal } from '../support/scripted-temporal.js';

/** Turns whose runs never answer, or fail, while their steps write what they did. */

let api: TestApi;
let person: Person;
let callId: string;
const temporal = scriptedTemporal();

beforeAll(async () => {
  api = await startTestApi({ temporal: () => temporal.gateway });
}, 60_000);
afterAll(() => api.close());
beforeEach(async () => {
  person = await api.signUp();
  await publishLine(api.db, person, { slug: 'desk', agents: [{ name: 'ana' }] });
  callId = await callerOf(person).start('desk');
});

/** What the worker does in a turn after which the agent listens, the turn's words given. */
async function takeTurn(run: RunRef, { text, endedTurn }: { readonly text: Json; readonly endedTurn: string | null }) {
  const key = `ana/${turns}`;
  turns += 1;
  const place = { key, nodeId: 'ana', visit: turns, scope: '', seq: 10 * turns };
  const step = { ...place, kind: 'agent_turn', label: 'ana', input: inline('hello'), round: 0 };
  await beginStep(api.db, run, { step, flush: NOTHING_TO_FLUSH });
  const next = {
    ...stepRecord('ana.listen', 10 * turns + 1, { status: 'waiting', endedAt: null }),
    key: `listen/${turns}`,
  };
  const wait = {
    ...{
      token: `apr_${run.runId}_${turns}`,
      key: next.key,
      run,
      kind: 'message' as const,
      nodeId: 'ana.listen',
      visit: turns,
    },
    ...{ scope: '', prompt: 'waits', context: null, expiresAt: null },
  } as const;
  await endStep(api.db, run, {
    ...{ key, status: 'completed', output: inline({ text, outcome: 'stay' }), error: null, failed: false },
    ...{ finished: null, vars: null, cost: null, decidedBy: null },
    opens: { endedTurn, wait, step: next },
  });
}
let turns = 0;

const never = new Promise<never>(() => undefined);

const say = (message: string, headers: Readonly<Record<string, string>> = {}) =>
  person.call('POST', `/api/v1/calls/${callId}/turns`, { body: { message }, headers });

test('a turn that its step ended is answered from the record, before the run answers', async () => {
  temporal.play({
    takeTurn: async (run, { id }) => {
      await takeTurn(run, { text: 'at nine', endedTurn: id ?? null });
      return never;
    },
  });
  const said = { role: 'assistant', content: 'at nine', agent: 'ana' };
  const answer = { call_id: callId, status: 'active', current_agent: 'ana', messages: [said], ended: false };
  expect(await say('when?')).toMatchObject({ status: 200, body: answer });
});

test('a turn without words has none', async () => {
  temporal.play({
    takeTurn: async (run, { id }) => {
      await takeTurn(run, { text: '', endedTurn: id ?? null });
      return never;
    },
  });
  expect((await say('when?')).body).toMatchObject({ messages: [], current_agent: 'ana' });
});

test('what another turn said is no answer, and nor is a step that more may follow', async () => {
  const settle = async (run: RunRef, { id }: TakeTurn) => {
    await takeTurn(run, { text: 'to somebody else', endedTurn: `not-${id}` });
    await takeTurn(run, { text: 'and then', endedTurn: null });
    const turn = { isOver: true, status: 'waiting', trace: [], activeNode: 'ana.listen', vars: {} } as const;
    return { outcome: 'done', value: { ...turn, said: [{ node_id: 'ana', text: 'from the run' }] } } as const;
  };
  temporal.play({ takeTurn: settle });
  expect((await say('when?')).body).toMatchObject({ messages: [{ content: 'from the run', agent: 'ana' }] });
});

test('a call that is over is not run again', async () => {
  await api.db.updateTable('runs').set({ status: 'completed' }).where('id', '=', callId).execute();
  for (const [command, body] of [
    ['replay', {}],
    ['continue', { from: 'ana' }],
  ] as const) {
    await takeTurn({ workspaceId: person.workspace.id, runId: callId }, { text: 'hi', endedTurn: null });
    const refused = await person.call('POST', `/v1/runs/${callId}/${command}`, { body });
    expect([refused.status, refused.body.error?.message]).toEqual([409, expect.stringContaining('POST /api/v1/calls')]);
  }
});
