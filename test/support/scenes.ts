import { waitToken } from '../../workflows/contract/ids.js';
import { resolveWait } from '../../workflows/contract/messages.js';
import { agent, approval, branch, buildPlan, cronDelay, delay, edge, join, linePlan, logLine, pass } from './plans.js';
import { decide, toEnd, toFailure, type Scene } from './play.js';

const asked = linePlan(pass('in'), approval('ok'), agent('after'));

/** Comes back to its approval while the answer says `more`. */
export const loop = buildPlan(
  [agent('a'), approval('ok'), branch('again'), agent('z')],
  [
    edge('a', 'ok'),
    edge('ok', 'again', { port: 'approved' }),
    edge('again', 'a', { condition: { type: 'contains', text: 'more' } }),
    edge('again', 'z'),
  ],
);

export const parallel = buildPlan(
  [pass('s'), agent('a'), agent('b'), join('j'), agent('z')],
  [edge('s', 'a'), edge('s', 'b'), edge('a', 'j'), edge('b', 'j'), edge('j', 'z')],
);

export const branching = buildPlan(
  [branch('d'), agent('a'), agent('b')],
  [edge('d', 'a', { condition: { type: 'contains', text: 'IN' }, label: 'in-branch' }), edge('d', 'b')],
);

export const twoAsked = buildPlan(
  [pass('s'), approval('x'), approval('y'), join('j'), agent('z')],
  [
    edge('s', 'x'),
    edge('s', 'y'),
    edge('x', 'j', { port: 'approved' }),
    edge('y', 'j', { port: 'approved' }),
    edge('j', 'z'),
  ],
);

/** Decides one visit of the loop's approval, again and again while the run is moving to its next execution. */
export const goRound: Scene['act'] = async ({ handle, runId }) => {
  for (const visit of [1, 2, 3, 4]) {
    const update = decide('approve', waitToken(runId, `ok/${visit}`), visit < 4 ? 'more' : 'enough');
    let isDecided = false;
    for (let tries = 0; tries < 200 && !isDecided; tries += 1) {
      isDecided = await handle.executeUpdate(resolveWait, update).then(
        () => true,
        () => false,
      );
    }
  }
  await handle.result();
};

/** One history of each way through the interpreter: recorded once, replayed for ever. */
export const scenes: Readonly<Record<string, Scene>> = {
  line: { plan: linePlan(pass('in'), agent('a'), agent('b')), act: toEnd },
  'fast-line': { plan: linePlan(logLine('a'), logLine('b'), logLine('c')), act: toEnd },
  'failed-line': { plan: linePlan(logLine('a'), logLine('bad'), logLine('c')), act: toFailure },
  'fallback-value': { plan: linePlan(agent('bad', { action: 'fallback', value: 'instead' }), agent('b')), act: toEnd },
  parallel: { plan: parallel, act: toEnd },
  branch: { plan: branching, act: toEnd },
  'approval-approved': {
    plan: asked,
    act: async (played) => {
      await played.handle.executeUpdate(resolveWait, decide('approve', waitToken(played.runId, 'ok/1'), 'yes'));
      await toEnd(played);
    },
  },
  'approval-rejected': {
    plan: asked,
    act: async (played) => {
      await played.handle.executeUpdate(resolveWait, decide('reject', waitToken(played.runId, 'ok/1')));
      await toEnd(played);
    },
  },
  'approval-expired': { plan: linePlan(approval('ok', 86_400), agent('after')), act: toEnd },
  'approvals-two': {
    plan: twoAsked,
    act: async (played) => {
      for (const node of ['y', 'x']) {
        await played.handle.executeUpdate(resolveWait, decide('approve', waitToken(played.runId, `${node}/1`)));
      }
      await toEnd(played);
    },
  },
  'delay-month': { plan: linePlan(delay('later', 30 * 86_400), agent('after')), act: toEnd },
  'delay-cron': { plan: linePlan(cronDelay('later', '0 9 * * *'), agent('after')), act: toEnd },
  cancelled: {
    plan: asked,
    act: async (played) => {
      while (played.heard.waits.length === 0) await played.handle.describe();
      await played.handle.cancel();
      await toFailure(played);
    },
  },
  'continued-as-new': { plan: loop, act: goRound, input: { maxHistoryEvents: 20 } },
};
