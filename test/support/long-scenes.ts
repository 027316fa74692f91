import { waitToken } from '../../workflows/contract/ids.js';
import {
  moveVersion,
  pauseRun,
  raiseEvent,
  resolveWait,
  retryNode,
  takeTurn,
  type Turn,
} from '../../workflows/contract/messages.js';
import { inline } from '../../workflows/definition/values.js';
import { event, misfitPlan, movablePlan, talkPlan, waiting } from './graph-scenes.js';
import { agent, approval, buildPlan, edge, join, linePlan, node, pass } from './plans.js';
import { causeOf, decide, insist, toEnd, toFailure, until, type Played, type Scene } from './play.js';

/** Scenes of runs that continue as new, with everything that may be open then. */

/** So many events nobody waits for: a run that takes only so many signals continues as new. */
export const flood = async ({ handle, heard }: Played, count: number): Promise<void> => {
  const from = heard.notes.length;
  for (let index = 0; index < count; index += 1)
    await handle.signal(raiseEvent, { ...event(`noise-${from}-${index}`, null), name: 'noise' });
};

/** Which execution of the run it is. */
const executionOf = async ({ handle }: Played): Promise<string> => (await handle.describe()).runId;

export const changesHands = async (played: Played, move: () => Promise<unknown>): Promise<void> => {
  const before = await executionOf(played);
  await move();
  while ((await executionOf(played)) === before);
};

const approveAs = (played: Played, key: string, by: string) => {
  const [request] = decide('approve', waitToken(played.runId, key), by).args;
  return insist(() => played.handle.executeUpdate(resolveWait, { args: [{ ...request, by, as: [by] }] }));
};

const patient = linePlan(
  node('approval', 'ask', {
    prompt: 'Pay?',
    quorum: 2,
    audience: ['ana'],
    reminders: [3_600],
    escalation: [{ after: 7_200, audience: ['boss', 'ben'] }],
  }),
  agent('paid'),
);

const manyUndone = 12;
const undoneLine = buildPlan(
  [
    ...Array.from({ length: manyUndone }, (_, index) => ({ ...agent(`do-${index}`), undo: 'undo' })),
    agent('bad'),
    agent('undo'),
  ],
  Array.from({ length: manyUndone }, (_, index) =>
    edge(`do-${index}`, index + 1 < manyUndone ? `do-${index + 1}` : 'bad'),
  ),
);

const parkedCompensation = buildPlan(
  [
    { ...agent('reserve'), undo: 'bad-release' },
    node('compensate', 'back'),
    agent('after'),
    agent('bad-release', { action: 'park' }),
  ],
  [edge('reserve', 'back'), edge('back', 'after')],
);

/** A text nobody would put into a workflow's history thirty times. */
const large = (index: number) => `${index}:${'§'.repeat(20_000)}`;
const largeMap = buildPlan(
  [node('map', 'each', { items: 'input', entry: 'work', concurrency: 4 }), { ...agent('work'), within: 'each' }],
  [],
);

const say = async ({ handle, heard }: Played, text: string | null): Promise<void> => {
  let message = text === null ? null : inline({ text });
  for (let turn: Turn | null = null; turn === null || !turn.isOver; message = null) {
    const args: [{ message: typeof message; text: string | null }] = [
      { message, text: message === null ? null : text },
    ];
    turn = await insist(() => handle.executeUpdate(takeTurn, { args }));
    if (turn.isOver) heard.notes.push(...turn.said.map((said) => said.text));
  }
};

const joined = (last: string) =>
  buildPlan(
    [pass('in'), approval('ok'), agent('slow'), join('j'), agent(last)],
    [edge('in', 'ok'), edge('in', 'slow'), edge('ok', 'j', { port: 'approved' }), edge('slow', 'j'), edge('j', last)],
  );

const pauseArgs = (paused: boolean) => ({ args: [{ paused, by: 'ana' }] as [{ paused: boolean; by: string }] });
const moveArgs = (versionId: string) => ({ args: [{ versionId, by: 'ana' }] as [{ versionId: string; by: string }] });

/** Cancelled in the moment between two executions. */
const cancelledBetween: Scene = {
  plan: buildPlan([{ ...agent('a'), undo: 'undo' }, approval('ok'), agent('undo')], [edge('a', 'ok')]),
  input: { maxUpdates: 1 },
  activities: (own, heard) => ({
    recordTransitions: async (input) => {
      heard.notes.push('packing');
      if (input.flush.status === 'paused') await until(() => heard.notes.includes('cancelled'));
      await own.recordTransitions(input);
    },
  }),
  act: async (played) => {
    const { handle, heard } = played;
    await waiting(played);
    await handle.executeUpdate(pauseRun, pauseArgs(true));
    while (!heard.notes.includes('packing')) await handle.describe();
    await handle.cancel();
    heard.notes.push('cancelled');
    await toFailure(played);
  },
};

export const longScenes: Readonly<Record<string, Scene>> = {
  'approval-continued-as-new': {
    plan: patient,
    input: { maxSignals: 3 },
    act: async (played) => {
      await waiting(played);
      await approveAs(played, 'ask/1', 'ana');
      await changesHands(played, () => flood(played, 3));
      await played.pass(3_700);
      await changesHands(played, () => flood(played, 3));
      await played.pass(3_700);
      played.heard.notes.push(await causeOf(approveAsOnce(played, 'ana')));
      await approveAs(played, 'ask/1', 'ben');
      await toEnd(played);
    },
  },
  'events-continued-as-new': {
    plan: linePlan(
      approval('ok'),
      node('wait_event', 'paid', { name: 'payment' }),
      node('wait_event', 'more', { name: 'payment' }),
    ),
    input: { maxSignals: 4 },
    act: async (played) => {
      await waiting(played);
      await played.handle.signal(raiseEvent, event('kept', null));
      await changesHands(played, () => flood(played, 4));
      await played.handle.signal(raiseEvent, event('kept', null));
      await approveAs(played, 'ok/1', 'ana');
      await waiting(played, 3);
      await played.handle.signal(raiseEvent, event('second', null));
      await toEnd(played);
    },
  },
  'parked-continued-as-new': {
    plan: linePlan(agent('bad', { action: 'park' }), agent('after')),
    mended: ['bad'],
    input: { maxSignals: 3 },
    act: async (played) => {
      await waiting(played);
      await changesHands(played, () => flood(played, 3));
      const request = { nodeId: 'bad', patch: { instructions: 'mended' }, by: 'ana' };
      await insist(() => played.handle.executeUpdate(retryNode, { args: [request] }));
      await toEnd(played);
    },
  },
  'paused-continued-as-new': {
    plan: movablePlan,
    input: { maxUpdates: 2 },
    act: async (played) => {
      const { handle, heard } = played;
      await waiting(played);
      await handle.executeUpdate(pauseRun, pauseArgs(true));
      await changesHands(played, () => approveAs(played, 'ok/1', 'ana'));
      heard.notes.push(heard.segments.length);
      await insist(() => handle.executeUpdate(pauseRun, pauseArgs(false)));
      await toEnd(played);
    },
  },
  'retried-paused-continued-as-new': {
    plan: linePlan(agent('bad', { action: 'park' }), agent('after')),
    mended: ['bad'],
    input: { maxUpdates: 2 },
    act: async (played) => {
      const { handle, heard } = played;
      await waiting(played);
      await handle.executeUpdate(pauseRun, pauseArgs(true));
      const request = { nodeId: 'bad', patch: null, by: 'ana' };
      await changesHands(played, () => handle.executeUpdate(retryNode, { args: [request] }));
      heard.notes.push(heard.segments.length);
      await insist(() => handle.executeUpdate(pauseRun, pauseArgs(false)));
      await toEnd(played);
    },
  },
  'conversation-continued-as-new': {
    plan: talkPlan,
    input: { isConversation: true, input: inline(null), maxHistoryEvents: 14 },
    act: async (played) => {
      for (const text of [null, 'one', 'two', 'three', 'bye']) await say(played, text);
      await toEnd(played);
    },
  },
  'undo-continued-as-new': { plan: undoneLine, input: { maxHistoryEvents: 18 }, act: toFailure },
  'compensation-continued-as-new': {
    plan: parkedCompensation,
    mended: ['bad-release'],
    input: { maxSignals: 3 },
    act: async (played) => {
      await waiting(played);
      await changesHands(played, () => flood(played, 3));
      const request = { nodeId: 'bad-release', patch: null, by: 'ana' };
      await insist(() => played.handle.executeUpdate(retryNode, { args: [request] }));
      await toEnd(played);
    },
  },
  'large-continued-as-new': {
    plan: largeMap,
    input: { input: inline(Array.from({ length: 40 }, (_, index) => index)), maxHistoryEvents: 20 },
    activities: (own) => ({
      runSegment: async (input) => {
        await own.runSegment(input);
        return { outputs: [inline(large(input.steps[0]?.seq ?? 0))] };
      },
      evaluate: async () => ({ values: { value: { ref: 'all', bytes: 1_200_000 } } }),
    }),
    act: toEnd,
  },
  'deadline-continued-as-new': {
    plan: buildPlan(
      [
        node('approval', 'ask', { prompt: '?' }, { policy: { deadlineMs: 3_600_000, onError: { action: 'route' } } }),
        agent('late'),
      ],
      [edge('ask', 'late', { port: 'error' })],
    ),
    input: { maxSignals: 3 },
    act: async (played) => {
      await waiting(played);
      await played.pass(1_800);
      await changesHands(played, () => flood(played, 3));
      await toEnd(played);
    },
  },
  'cancelled-between': cancelledBetween,
  'moved-twice': {
    plan: joined('old'),
    definitions: { next: joined('new'), misfit: misfitPlan },
    activities: (own, heard) => ({
      runSegment: async (input) => {
        if (input.steps[0]?.node.id === 'slow') await until(() => heard.notes.length > 0);
        return own.runSegment(input);
      },
    }),
    act: async (played) => {
      const { handle, heard } = played;
      await waiting(played);
      const moves = ['misfit', 'next'].map((id) => handle.executeUpdate(moveVersion, moveArgs(id)));
      heard.notes.push('go');
      heard.notes.push(...(await Promise.all(moves)));
      await approveAs(played, 'ok/1', 'ana');
      await toEnd(played);
    },
  },
};

const approveAsOnce = ({ handle, runId }: Played, by: string) => {
  const [request] = decide('approve', waitToken(runId, 'ask/1'), by).args;
  return handle.executeUpdate(resolveWait, { args: [{ ...request, by, as: [by] }] });
};
