import { waitToken } from '../../workflows/contract/ids.js';
import { pauseRun, resolveWait, retryNode } from '../../workflows/contract/messages.js';
import { inline } from '../../workflows/definition/values.js';
import { waiting } from './graph-scenes.js';
import { agent, approval, buildPlan, delay, edge, join, linePlan, logLine, node, pass, when } from './plans.js';
import { causeOf, decide, toEnd, toFailure, unstoppable, type Played, type Scene } from './play.js';

/** Scenes of what goes wrong: effects nobody can stop, failures of what mends failures, everything at once. */

const undoing = (id: string, by: string) => ({ ...agent(id), undo: by });

export const executing = async ({ heard, handle }: Played, key: string): Promise<void> => {
  while (!heard.segments.flat().includes(key)) await handle.describe();
};

const cancelDuring =
  (key: string, end: Scene['act'] = toFailure): Scene['act'] =>
  async (played) => {
    await executing(played, key);
    await played.handle.cancel();
    await end(played);
  };

const approveAll =
  (keys: readonly string[], end: Scene['act'] = toEnd): Scene['act'] =>
  async (played) => {
    for (const [index, key] of keys.entries()) {
      await waiting(played, index + 1);
      await played.handle.executeUpdate(resolveWait, decide('approve', waitToken(played.runId, key)));
    }
    await end(played);
  };

const retryOf = (nodeId: string) => ({
  args: [{ nodeId, patch: null, by: 'ana' }] as [{ nodeId: string; patch: null; by: string }],
});

const lateEffect = buildPlan(
  [
    pass('s'),
    undoing('slow', 'release'),
    approval('quick'),
    { ...join('first', 1), kind: 'join', config: { need: 1, cancelRest: true } },
    agent('bad'),
    agent('release'),
  ],
  [
    edge('s', 'slow'),
    edge('s', 'quick'),
    edge('slow', 'first'),
    edge('quick', 'first', { port: 'approved' }),
    edge('first', 'bad'),
  ],
);

/** Waits twice for a decision that comes too late, and the second time it is given up. */
const parkedWait = linePlan(
  node('approval', 'ask', { prompt: '?' }, { policy: { deadlineMs: 60_000, onError: { action: 'park' } } }),
  agent('after'),
);

const lateDecision = buildPlan(
  [
    node('approval', 'ask', { prompt: '?' }, { policy: { deadlineMs: 60_000, onError: { action: 'route' } } }),
    approval('instead'),
    agent('z'),
  ],
  [
    edge('ask', 'z', { port: 'approved' }),
    edge('ask', 'instead', { port: 'error' }),
    edge('instead', 'z', { port: 'approved' }),
  ],
);

const parkedLine = linePlan(
  logLine('a'),
  { ...logLine('bad'), policy: { ...logLine('bad').policy, onError: { action: 'park' } } },
  logLine('c'),
);

const misled = buildPlan(
  [logLine('a'), logLine('b'), agent('c')],
  [edge('a', 'b'), edge('b', 'c', when('input.nothing.here > 1'))],
);

const faultyUndo = (parks: boolean) =>
  buildPlan(
    [
      undoing('reserve', 'release'),
      undoing('charge', 'bad-refund'),
      agent('bad'),
      agent('release'),
      agent('bad-refund', { action: parks ? 'park' : 'fail' }),
    ],
    [edge('reserve', 'charge'), edge('charge', 'bad')],
  );

const twoCompensations = buildPlan(
  [
    undoing('reserve', 'release'),
    undoing('charge', 'refund'),
    pass('s'),
    node('compensate', 'one'),
    node('compensate', 'two'),
    join('j'),
    agent('release'),
    agent('refund'),
  ],
  [
    edge('reserve', 'charge'),
    edge('charge', 's'),
    edge('s', 'one'),
    edge('s', 'two'),
    edge('one', 'j'),
    edge('two', 'j'),
  ],
);

const parkedItems = buildPlan(
  [node('map', 'each', { items: 'input', entry: 'bad' }), { ...agent('bad', { action: 'park' }), within: 'each' }],
  [],
);

/** Its items fail, it is parked, and done anew they do not repeat what they did. */
const parkedMap = buildPlan(
  [
    node('map', 'each', { items: 'input', entry: 'ask', concurrency: 1 }, { policy: { onError: { action: 'park' } } }),
    { ...approval('ask'), within: 'each' },
    { ...agent('bad'), within: 'each' },
  ],
  [edge('ask', 'bad', { port: 'approved' })],
);

const deadlineMap = buildPlan(
  [
    node(
      'map',
      'each',
      { items: 'input', entry: 'ask' },
      { policy: { deadlineMs: 60_000, onError: { action: 'route' } } },
    ),
    { ...approval('ask'), within: 'each' },
    agent('late'),
  ],
  [edge('each', 'late', { port: 'error' })],
);

const parkedUntilRetried = async (played: Played): Promise<void> => {
  await waiting(played);
  await played.handle.executeUpdate(retryNode, retryOf('bad-refund'));
};

export const hardScenes: Readonly<Record<string, Scene>> = {
  'cancelled-in-flight': {
    plan: buildPlan([undoing('reserve', 'release'), agent('after'), agent('release')], [edge('reserve', 'after')]),
    activities: unstoppable('reserve'),
    act: cancelDuring('reserve/1'),
  },
  'withdrawn-in-flight': {
    plan: lateEffect,
    activities: unstoppable('slow'),
    act: async (played) => {
      await executing(played, 'slow/1');
      await approveAll(['quick/1'], toFailure)(played);
    },
  },
  'cancelled-too-late': {
    plan: buildPlan([undoing('a', 'undo'), agent('last'), agent('undo')], [edge('a', 'last')]),
    activities: unstoppable('last'),
    act: cancelDuring('last/1', toEnd),
  },
  'cancelled-twice-undoing': {
    plan: faultyUndo(true),
    mended: ['bad-refund'],
    act: async (played) => {
      await waiting(played);
      await played.handle.cancel();
      await parkedUntilRetried(played);
      await toFailure(played);
    },
  },
  'undo-fails': { plan: faultyUndo(false), act: toFailure },
  'undo-parked': {
    plan: faultyUndo(true),
    mended: ['bad-refund'],
    act: async (played) => {
      await parkedUntilRetried(played);
      await toFailure(played);
    },
  },
  'undo-given-up': {
    plan: faultyUndo(true),
    act: async (played) => {
      await waiting(played);
      await played.handle.executeUpdate(resolveWait, decide('reject', waitToken(played.runId, 'bad-refund/1')));
      await toFailure(played);
    },
  },
  'compensations-two': { plan: twoCompensations, act: toEnd },
  'wait-parked': {
    plan: parkedWait,
    act: async (played) => {
      const token = waitToken(played.runId, 'ask/1');
      await waiting(played);
      await played.pass(61);
      await waiting(played, 2);
      await played.handle.executeUpdate(resolveWait, decide('approve', `${token}~r2`));
      await waiting(played, 3);
      await played.handle.executeUpdate(resolveWait, decide('approve', `${token}~r3`, 'yes'));
      await toEnd(played);
    },
  },
  'wait-decided-too-late': {
    plan: lateDecision,
    act: async (played) => {
      await waiting(played);
      await played.pass(61);
      await waiting(played, 2);
      const late = decide('approve', waitToken(played.runId, 'ask/1'));
      played.heard.notes.push(await causeOf(played.handle.executeUpdate(resolveWait, late)));
      await played.handle.executeUpdate(resolveWait, decide('approve', waitToken(played.runId, 'instead/1')));
      await toEnd(played);
    },
  },
  'line-parked': {
    plan: parkedLine,
    mended: ['bad'],
    act: async (played) => {
      await waiting(played);
      await played.handle.executeUpdate(retryNode, retryOf('bad'));
      await toEnd(played);
    },
  },
  'line-misled': { plan: misled, act: toFailure },
  'items-parked': {
    plan: parkedItems,
    input: { input: inline([1, 2, 3]) },
    mended: ['bad'],
    act: async (played) => {
      await waiting(played, 3);
      await played.handle.executeUpdate(retryNode, retryOf('bad'));
      await toEnd(played);
    },
  },
  'map-parked': {
    plan: parkedMap,
    input: { input: inline([1]) },
    mended: ['bad'],
    act: async (played) => {
      const item = waitToken(played.runId, 'each/1/0/ask/1');
      await waiting(played);
      await played.handle.executeUpdate(resolveWait, decide('approve', item));
      await waiting(played, 2);
      await played.handle.executeUpdate(retryNode, retryOf('each'));
      await waiting(played, 3);
      await played.handle.executeUpdate(resolveWait, decide('approve', `${item}~m1`));
      await toEnd(played);
    },
  },
  'map-deadline': { plan: deadlineMap, input: { input: inline([1, 2]) }, act: toEnd },
  'paused-parked': {
    plan: linePlan(agent('bad', { action: 'park' }), agent('after')),
    mended: ['bad'],
    act: async (played) => {
      const { handle, heard } = played;
      const paused = (isPaused: boolean) => ({
        args: [{ paused: isPaused, by: 'ana' }] as [{ paused: boolean; by: string }],
      });
      await waiting(played);
      await handle.executeUpdate(pauseRun, paused(true));
      await handle.executeUpdate(retryNode, retryOf('bad'));
      heard.notes.push(heard.segments.length);
      await handle.executeUpdate(pauseRun, paused(false));
      await toEnd(played);
    },
  },
  'respond-then-fails': {
    plan: buildPlan(
      [pass('s'), node('respond', 'first', { body: 1 }), node('respond', 'second', { body: 2 }), agent('bad')],
      [edge('s', 'first'), edge('first', 'second'), edge('second', 'bad')],
    ),
    act: toFailure,
  },
  'delay-withdrawn': {
    plan: buildPlan(
      [
        pass('s'),
        delay('long', 86_400),
        delay('short', 60),
        { ...join('first', 1), kind: 'join', config: { need: 1, cancelRest: true } },
        approval('ask'),
      ],
      [edge('s', 'long'), edge('s', 'short'), edge('long', 'first'), edge('short', 'first'), edge('first', 'ask')],
    ),
    act: async (played) => {
      await played.pass(61);
      await approveAll(['ask/1'])(played);
    },
  },
};
