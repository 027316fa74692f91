import type { WorkflowHandle } from '@temporalio/client';
import { waitToken } from '../../workflows/contract/ids.js';
import {
  moveVersion,
  pauseRun,
  raiseEvent,
  resolveWait,
  retryNode,
  runView,
  takeTurn,
} from '../../workflows/contract/messages.js';
import type { RunEvent } from '../../workflows/contract/run.js';
import { inline, type Json } from '../../workflows/definition/values.js';
import { agent, approval, buildPlan, delay, edge, join, linePlan, node, pass, when } from './plans.js';
import { decide, toEnd, toFailure, unstoppable, type Played, type Scene } from './play.js';

/** Scenes of what only graphs have; each is recorded and replayed like those of `scenes.ts`. */

const within = (map: string) => ({ within: map });

export const mapPlan = buildPlan(
  [
    node('map', 'each', { items: 'input.orders', entry: 'charge', concurrency: 2 }),
    { ...agent('charge'), ...within('each') },
    node('set', 'total', { values: { count: { $expr: 'size(input)' } } }),
  ],
  [edge('each', 'total')],
);

export const faultyMapPlan = (policy: 'fail' | 'continue') =>
  buildPlan(
    [
      node('map', 'each', { items: 'input', entry: 'pick', concurrency: 3, on_item_error: policy }),
      { ...node('set', 'pick', { values: { last: { $expr: 'item' } } }), ...within('each') },
      { ...agent('bad'), ...within('each') },
      { ...agent('good'), ...within('each') },
      agent('after'),
    ],
    [edge('pick', 'bad', when('input.last == 2')), edge('pick', 'good'), edge('each', 'after')],
  );

export const loopPlan = buildPlan(
  [
    node('set', 'zero', { values: { n: { $expr: '0' } } }),
    node('loop', 'again', { while: 'vars.n < 3', entry: 'work' }),
    { ...agent('work'), ...within('again') },
    { ...node('set', 'count', { values: { n: { $expr: 'vars.n + 1' } } }), ...within('again') },
    agent('after'),
  ],
  [edge('zero', 'again'), edge('work', 'count'), edge('again', 'after')],
);

export const childPlan = linePlan(agent('inner'), node('end', 'done', { output: { answer: '{{ input }}' } }));
export const failingChild = linePlan(agent('bad'));

export const subflowPlan = linePlan(node('subflow', 'call', { definition: 'child' }), agent('after'));

export const quorumPlan = buildPlan(
  [
    node('approval', 'ask', { prompt: 'Pay?', quorum: 2, audience: ['ana', 'ben', 'cy'], forbid_own: true }),
    agent('paid'),
    agent('refused'),
  ],
  [edge('ask', 'paid', { port: 'approved' }), edge('ask', 'refused', { port: 'rejected' })],
);

export const escalatingPlan = linePlan(
  node('approval', 'ask', {
    prompt: 'Pay?',
    audience: ['ana'],
    reminders: [3_600, 7_200],
    escalation: [{ after: 86_400, audience: ['boss'] }],
    timeout_seconds: 172_800,
    on_expire: 'approve',
  }),
  agent('paid'),
);

export const eventPlan = buildPlan(
  [
    node('wait_event', 'paid', { name: 'payment', key: '{{ run.input.order }}', timeout_seconds: 3_600 }),
    agent('ship'),
    agent('remind'),
  ],
  [edge('paid', 'ship'), edge('paid', 'remind', { port: 'timeout' })],
);

export const parkPlan = linePlan(agent('bad', { action: 'park' }), agent('after'));

export const undoPlan = buildPlan(
  [
    { ...agent('reserve'), undo: 'release' },
    { ...agent('charge'), undo: 'refund' },
    agent('bad'),
    agent('release'),
    agent('refund'),
  ],
  [edge('reserve', 'charge'), edge('charge', 'bad')],
);

const openRacePlan = buildPlan(
  [pass('s'), approval('slow'), delay('later', 60), join('first', 1), agent('z')],
  [
    edge('s', 'slow'),
    edge('s', 'later'),
    edge('slow', 'first', { port: 'approved' }),
    edge('later', 'first'),
    edge('first', 'z'),
  ],
);

/** The same with whatever lost the race withdrawn. */
export const racePlan = {
  ...openRacePlan,
  nodes: {
    ...openRacePlan.nodes,
    first: { ...join('first', 1), kind: 'join', config: { need: 1, cancelRest: true } } as const,
  },
};

export const talkPlan = buildPlan(
  [
    node('listen', 'root.listen', { greeting: 'Hello' }),
    node('instruction_agent', 'root', { instructions: 'Help.' }, { says: true }),
    node('end', 'bye', { final_message: 'Goodbye, {{ message }}' }),
  ],
  [
    edge('root.listen', 'root'),
    edge('root', 'bye', { condition: { type: 'contains', text: 'bye', of: 'message' } }),
    edge('root', 'root.listen'),
  ],
);

export const respondPlan = linePlan(
  node('respond', 'answer', { body: { ok: true } }),
  delay('later', 86_400),
  agent('after'),
);

export const deadlinePlan = buildPlan(
  [
    node('approval', 'ask', { prompt: 'Now?' }, { policy: { deadlineMs: 60_000, onError: { action: 'route' } } }),
    agent('late'),
    agent('ok'),
  ],
  [edge('ask', 'ok', { port: 'approved' }), edge('ask', 'late', { port: 'error' })],
);

export const movedPlan = linePlan(pass('in'), approval('ok'), agent('new'));
export const misfitPlan = linePlan(pass('in'), agent('ok'));
export const movablePlan = linePlan(pass('in'), approval('ok'), agent('old'));

export const event = (id: string, key: string | null, payload: Json = { id }): RunEvent => ({
  ...{ id, name: 'payment', key },
  payload: inline(payload),
});

export const waiting = async ({ heard, handle }: Played, count = 1): Promise<void> => {
  while (heard.waits.length < count) await handle.describe();
};

/** Once the workflow itself says so. */
export const stands = async (handle: WorkflowHandle, fits: (view: { open: readonly string[] }) => boolean) => {
  for (;;) {
    const { state } = await handle.query(runView);
    if (fits({ open: Object.keys(state?.open ?? {}) })) return;
  }
};

const say = (text: string) => ({
  args: [{ message: inline({ text }), text }] as [{ message: { json: Json }; text: string }],
});

export const graphScenes: Readonly<Record<string, Scene>> = {
  map: { plan: mapPlan, act: toEnd, input: { input: inline({ orders: [1, 2, 3, 4, 5] }) } },
  'map-item-fails': {
    plan: faultyMapPlan('fail'),
    activities: unstoppable('good'),
    act: toFailure,
    input: { input: inline([1, 2, 3]) },
  },
  'map-item-continues': { plan: faultyMapPlan('continue'), act: toEnd, input: { input: inline([1, 2, 3]) } },
  loop: { plan: loopPlan, act: toEnd },
  'loop-continued-as-new': { plan: loopPlan, act: toEnd, input: { maxHistoryEvents: 14 } },
  subflow: { plan: subflowPlan, definitions: { child: childPlan }, act: toEnd },
  'subflow-fails': { plan: subflowPlan, definitions: { child: failingChild }, act: toFailure },
  'subflow-detached': {
    plan: linePlan(node('subflow', 'call', { definition: 'child', wait: false }), agent('after')),
    definitions: { child: childPlan },
    act: toEnd,
  },
  'approval-quorum': {
    plan: quorumPlan,
    act: async (played) => {
      const token = waitToken(played.runId, 'ask/1');
      await waiting(played);
      for (const by of ['ana', 'ben']) {
        const [request] = decide('approve', token).args;
        await played.handle.executeUpdate(resolveWait, { args: [{ ...request, by, as: [by] }] });
      }
      await toEnd(played);
    },
  },
  'approval-escalates': { plan: escalatingPlan, act: toEnd },
  'event-in-time': {
    plan: eventPlan,
    input: { input: inline({ order: 'o-1' }) },
    act: async (played) => {
      await waiting(played);
      await played.handle.signal(raiseEvent, event('e-0', 'o-2'));
      await played.handle.signal(raiseEvent, event('e-1', 'o-1'));
      await played.handle.signal(raiseEvent, event('e-1', 'o-1'));
      await toEnd(played);
    },
  },
  'event-too-late': { plan: eventPlan, input: { input: inline({ order: 'o-1' }) }, act: toEnd },
  'parked-retried': {
    plan: parkPlan,
    mended: ['bad'],
    act: async (played) => {
      await waiting(played);
      const patch = { instructions: 'mended' };
      await played.handle.executeUpdate(retryNode, { args: [{ nodeId: 'bad', patch, by: 'ana' }] });
      await toEnd(played);
    },
  },
  undo: { plan: undoPlan, act: toFailure },
  'race-withdraws': { plan: racePlan, act: toEnd },
  conversation: {
    plan: talkPlan,
    input: { isConversation: true, input: inline(null) },
    act: async (played) => {
      await played.handle.executeUpdate(takeTurn, { args: [{ message: null, text: null }] });
      await played.handle.executeUpdate(takeTurn, say('hi'));
      await played.handle.executeUpdate(takeTurn, say('bye'));
      await toEnd(played);
    },
  },
  respond: { plan: respondPlan, act: toEnd },
  'wait-deadline': { plan: deadlinePlan, act: toEnd },
  paused: {
    plan: movablePlan,
    act: async (played) => {
      await waiting(played);
      await played.handle.executeUpdate(pauseRun, { args: [{ paused: true, by: 'ana' }] });
      await played.handle.executeUpdate(resolveWait, decide('approve', waitToken(played.runId, 'ok/1'), 'yes'));
      await played.handle.executeUpdate(pauseRun, { args: [{ paused: false, by: 'ana' }] });
      await toEnd(played);
    },
  },
  moved: {
    plan: movablePlan,
    definitions: { next: movedPlan, misfit: misfitPlan },
    act: async (played) => {
      await waiting(played);
      await played.handle.executeUpdate(moveVersion, { args: [{ versionId: 'misfit', by: 'ana' }] });
      await played.handle.executeUpdate(moveVersion, { args: [{ versionId: 'next', by: 'ana' }] });
      await played.handle.executeUpdate(resolveWait, decide('approve', waitToken(played.runId, 'ok/1'), 'yes'));
      await toEnd(played);
    },
  },
};
