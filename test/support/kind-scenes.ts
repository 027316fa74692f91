import { waitToken } from '../../workflows/contract/ids.js';
import { resolveWait } from '../../workflows/contract/messages.js';
import type { PlanNode } from '../../workflows/definition/plan.js';
import { inline } from '../../workflows/definition/values.js';
import { defaultPolicy } from '../../workflows/definition/plan.js';
import { event, waiting } from './graph-scenes.js';
import { agent, approval, branch, buildPlan, delay, edge, join, linePlan, logLine, node, pass, when } from './plans.js';
import { decide, toEnd, toFailure, type Played, type Scene } from './play.js';

/** One scene of every kind of node, and of what a node may say beside its kind. */

const assistant: PlanNode = {
  ...{ id: 'assistant', label: 'assistant', dialectKind: 'test', policy: defaultPolicy },
  ...{ kind: 'assistant', config: { agent: 'helper' } },
};

/** Every kind that an activity executes. */
export const activityKinds = linePlan(
  assistant,
  agent('agent'),
  node('instruction_agent', 'instruction_agent', { instructions: 'Help.' }),
  node('llm', 'llm', { prompt: '{{ input }}' }),
  node('knowledge', 'knowledge'),
  node('http', 'http', { url: 'https://example.com' }),
  node('tool', 'tool', { tool_name: 'lookup' }),
  node('code', 'code', { source: 'return input' }),
  node('email', 'email', { to: 'ana@example.com' }),
  node('channel_send', 'channel_send', { channel: 'webhook', to: 'https://example.com' }),
  node('webhook', 'webhook', { url: 'https://example.com' }),
  logLine('notify'),
);

const openApproval = (plan: Scene['plan'], token: (runId: string) => string, text: string | null = null): Scene => ({
  plan,
  act: async (played) => {
    await waiting(played);
    await played.handle.executeUpdate(resolveWait, decide('approve', token(played.runId), text));
    await toEnd(played);
  },
});

const terminating = buildPlan(
  [
    pass('s'),
    approval('slow'),
    delay('later', 60),
    node('end', 'stop', { output: { said: 'enough' }, terminate: true }),
    agent('never'),
  ],
  [edge('s', 'slow'), edge('s', 'later'), edge('later', 'stop'), edge('slow', 'never', { port: 'approved' })],
);

const cancelling = buildPlan(
  [
    pass('s'),
    approval('slow'),
    agent('never'),
    delay('later', 60),
    node('cancel', 'drop', { nodes: ['slow'] }),
    agent('z'),
  ],
  [
    edge('s', 'slow'),
    edge('slow', 'never', { port: 'approved' }),
    edge('s', 'later'),
    edge('later', 'drop'),
    edge('drop', 'z'),
  ],
);

const multiChoice = buildPlan(
  [pass('s'), agent('large'), agent('urgent'), agent('plain'), join('j'), agent('z')],
  [
    edge('s', 'large', when('input.amount > 100')),
    edge('s', 'urgent', when('input.urgent')),
    edge('s', 'plain', when('input.amount <= 100')),
    edge('large', 'j'),
    edge('urgent', 'j'),
    edge('plain', 'j'),
    edge('j', 'z'),
  ],
);

const twoOfThree = buildPlan(
  [pass('s'), agent('a'), agent('b'), delay('c', 86_400), join('j', 2), agent('z')],
  [edge('s', 'a'), edge('s', 'b'), edge('s', 'c'), edge('a', 'j'), edge('b', 'j'), edge('c', 'j'), edge('j', 'z')],
);

const conditions = buildPlan(
  [
    node('set', 'amounts', { values: { total: { $expr: 'input.net + input.tax' } } }),
    { ...agent('rate'), saveAs: 'rated' },
    branch('how'),
    agent('high'),
    agent('low'),
  ],
  [
    edge('amounts', 'rate', when('input.total == 12.0')),
    edge('rate', 'how', when('vars.rated == "rate done" && steps.rate == input')),
    edge('how', 'high', { ...when('vars.total > 100.0'), label: 'high' }),
    edge('how', 'low', { condition: { type: 'equals', path: 'vars.total', value: '12' }, label: 'low' }),
  ],
);

const mutual = buildPlan(
  [pass('s'), { ...approval('one'), mutex: 'till' }, { ...agent('two'), mutex: 'till' }, join('j')],
  [edge('s', 'one'), edge('s', 'two'), edge('one', 'j', { port: 'approved' }), edge('two', 'j')],
);

const within = (id: string) => ({ within: id });

export const nested = buildPlan(
  [
    node('map', 'rows', { items: 'input', entry: 'cells', concurrency: 2 }),
    node('map', 'cells', { items: 'item', entry: 'twice' }, within('rows')),
    node('loop', 'twice', { while: 'index < 2', entry: 'work' }, within('cells')),
    { ...agent('work'), ...within('twice') },
  ],
  [],
);

const recursive = buildPlan(
  [
    branch('deep'),
    node('subflow', 'again', { definition: 'self', input: { n: { $expr: 'input.n - 1' } } }),
    agent('leaf'),
  ],
  [edge('deep', 'again', when('input.n > 0')), edge('deep', 'leaf')],
);

const expiring = (policy: 'approve' | 'reject' | 'expire') =>
  buildPlan(
    [
      node('approval', 'ask', { prompt: '?', timeout_seconds: 60, on_expire: policy }),
      agent('yes'),
      agent('no'),
      agent('late'),
    ],
    [
      edge('ask', 'yes', { port: 'approved' }),
      edge('ask', 'no', { port: 'rejected' }),
      edge('ask', 'late', { port: 'expired' }),
    ],
  );

const listening = buildPlan(
  [node('listen', 'hear', { greeting: 'Hello', timeout_seconds: 600 }), agent('answer'), agent('bye')],
  [edge('hear', 'answer'), edge('answer', 'hear'), edge('hear', 'bye', { port: 'timeout' })],
);

const routed = buildPlan(
  [agent('bad', { action: 'route' }), agent('other'), agent('known')],
  [
    edge('bad', 'other', { port: 'error', ...when('input.error.type == "other"') }),
    edge('bad', 'known', { port: 'error', ...when('input.error.type == "http_status"'), label: 'known' }),
  ],
);

export const midway = buildPlan(
  [
    { ...agent('reserve'), undo: 'release' },
    { ...agent('charge'), undo: 'refund' },
    node('compensate', 'back', { nodes: ['reserve'] }),
    agent('bad'),
    agent('release'),
    agent('refund'),
  ],
  [edge('reserve', 'charge'), edge('charge', 'back'), edge('back', 'bad')],
);

const early: Scene['activities'] = (own) => ({
  openWait: async (input) => ({ ...(await own.openWait(input)), event: event('early', null) }),
});

const asked = (runId: string): string => waitToken(runId, 'ask/1');
const reused = {
  'a/1': { output: inline('was'), port: 'out' },
  'ask/1': { output: inline('ok'), port: 'approved' },
} as const;
const askedBetween = linePlan(agent('a'), node('approval', 'ask', { prompt: '?' }), agent('b'));
const unknown = linePlan(agent('unknown'), agent('after'));

const decideUnknown =
  (decision: 'approve' | 'reject') =>
  async (played: Played): Promise<void> => {
    await waiting(played);
    await played.handle.executeUpdate(resolveWait, decide(decision, waitToken(played.runId, 'unknown/1')));
    await toEnd(played);
  };

export const kindScenes: Readonly<Record<string, Scene>> = {
  'activity-kinds': { plan: activityKinds, act: toEnd },
  'end-terminates': { plan: terminating, act: toEnd },
  'cancel-node': { plan: cancelling, act: toEnd },
  'multi-choice': { plan: multiChoice, act: toEnd, input: { input: inline({ amount: 200, urgent: true }) } },
  'join-two-of-three': { plan: twoOfThree, act: toEnd },
  conditions: { plan: conditions, act: toEnd, input: { input: inline({ net: 10, tax: 2 }) } },
  until: {
    plan: linePlan(node('until', 'then', { at: { $expr: 'input' } }), agent('a')),
    input: { input: inline(Date.now() + 86_400_000) },
    act: toEnd,
  },
  'until-past': { plan: linePlan(node('until', 'then', { at: '1999-01-01T00:00:00Z' }), agent('a')), act: toEnd },
  'until-wrong': { plan: linePlan(node('until', 'then', { at: 'soon' }), agent('a')), act: toFailure },
  mutex: openApproval(mutual, (runId) => waitToken(runId, 'one/1')),
  'nested-maps': { plan: nested, act: toEnd, input: { input: inline([[1, 2], [3]]) } },
  recursion: { plan: recursive, definitions: { self: recursive }, act: toEnd, input: { input: inline({ n: 2 }) } },
  'expires-approved': { plan: expiring('approve'), act: toEnd },
  'expires-rejected': { plan: expiring('reject'), act: toEnd },
  'expires-late': { plan: expiring('expire'), act: toEnd },
  'listen-times-out': { plan: listening, act: toEnd, input: { isConversation: true, input: inline(null) } },
  'listen-alone': { plan: listening, act: toEnd },
  'event-early': {
    plan: linePlan(node('wait_event', 'paid', { name: 'payment' }), agent('ship')),
    activities: early,
    act: toEnd,
  },
  'failure-routed': { plan: routed, act: toEnd },
  'compensated-midway': { plan: midway, act: toFailure },
  'unknown-happened': { plan: unknown, act: decideUnknown('approve') },
  'unknown-again': { plan: unknown, mended: ['unknown'], act: decideUnknown('reject') },
  'test-run': {
    plan: askedBetween,
    act: toEnd,
    input: { test: { pins: { a: { pinned: 1 }, ask: 'sure' }, live: [] } },
  },
  reused: { plan: askedBetween, act: toEnd, input: { reuses: true }, reuse: reused },
  'approved-with-data': openApproval(askedBetween, asked, 'fine'),
};
