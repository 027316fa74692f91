import { waitToken } from '../../workflows/contract/ids.js';
import { resolveWait, retryNode } from '../../workflows/contract/messages.js';
import { inline } from '../../workflows/definition/values.js';
import { waiting } from './graph-scenes.js';
import { changesHands, flood } from './long-scenes.js';
import { agent, approval, buildPlan, edge, linePlan, node } from './plans.js';
import { decide, toEnd, toFailure, type Played, type Scene } from './play.js';

/** Scenes of runs in runs. */

/** Without letting time go by as `result()` does, in which whoever still waits would time out. */
const hasEnded = async ({ handle }: Played): Promise<void> => {
  while ((await handle.describe()).status.name === 'RUNNING');
};

const calling = (id = 'call') => node('subflow', id, { definition: 'child' });
const askingChild = linePlan(approval('ok'), agent('inner'));

/** The child's row says it is over, and it never told its parent, which started it in an execution long gone. */
const lostChild: Scene = {
  plan: linePlan(calling(), agent('after')),
  definitions: { child: askingChild },
  input: { maxSignals: 3 },
  activities: (own, heard) => ({
    loadEnd: async (input) =>
      heard.notes.includes('lost')
        ? { status: 'cancelled', error: { type: 'terminated', message: 'It was stopped.' } }
        : own.loadEnd(input),
  }),
  act: async (played) => {
    await waiting(played);
    await changesHands(played, () => flood(played, 3));
    played.heard.notes.push('lost');
    await played.pass(1_000);
    await hasEnded(played);
    await played.childOf('call/1').terminate();
  },
};

export const childScenes: Readonly<Record<string, Scene>> = {
  'child-refused': {
    plan: linePlan(calling(), agent('after')),
    definitions: { child: askingChild },
    act: async (played) => {
      await waiting(played);
      const child = played.childOf('call/1');
      const runId = played.heard.children[0] ?? '';
      await child.executeUpdate(resolveWait, decide('reject', waitToken(runId, 'ok/1')));
      await toFailure(played);
    },
  },
  'child-continued-as-new': {
    plan: linePlan(calling(), agent('after')),
    definitions: { child: askingChild },
    input: { maxSignals: 3 },
    act: async (played) => {
      await waiting(played);
      await changesHands(played, () => flood(played, 3));
      const runId = played.heard.children[0] ?? '';
      await played.childOf('call/1').executeUpdate(resolveWait, decide('approve', waitToken(runId, 'ok/1')));
      await toEnd(played);
    },
  },
  'child-cancelled-after': {
    plan: linePlan(calling(), agent('after')),
    definitions: { child: askingChild },
    input: { maxSignals: 3 },
    act: async (played) => {
      await waiting(played);
      await changesHands(played, () => flood(played, 3));
      await played.handle.cancel();
      await toFailure(played);
    },
  },
  'child-lost': lostChild,
  'child-deadline': {
    plan: buildPlan(
      [
        { ...calling(), policy: { ...calling().policy, deadlineMs: 60_000, onError: { action: 'route' } } },
        agent('late'),
      ],
      [edge('call', 'late', { port: 'error' })],
    ),
    definitions: { child: askingChild },
    act: toEnd,
  },
  'child-outlives': {
    plan: linePlan(node('subflow', 'call', { definition: 'child', wait: false }), agent('after')),
    definitions: { child: askingChild },
    act: async (played) => {
      await hasEnded(played);
      await waiting(played);
      const runId = played.heard.children[0] ?? '';
      await played.childOf('call/1').executeUpdate(resolveWait, decide('approve', waitToken(runId, 'ok/1')));
    },
  },
  'child-retried': {
    plan: linePlan({ ...calling(), policy: { ...calling().policy, onError: { action: 'park' } } }, agent('after')),
    definitions: { child: linePlan(agent('bad')) },
    activities: (own, heard) => ({
      runSegment: async (input) => {
        if (heard.children.length < 2) return own.runSegment(input);
        heard.segments.push(input.steps.map((step) => step.key));
        return { outputs: [inline('mended')] };
      },
    }),
    act: async (played) => {
      await waiting(played);
      const request = { nodeId: 'call', patch: null, by: 'ana' };
      await played.handle.executeUpdate(retryNode, { args: [request] });
      await toEnd(played);
    },
  },
};
