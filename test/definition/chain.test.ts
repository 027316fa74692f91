import { describe, expect, test } from '@jest/globals';
import { ChainDocument } from '../../workflows/definition/chain.js';
import { chainCron, compileChain } from '../../workflows/definition/chain-plan.js';
import { chainProblems, cronProblem } from '../../workflows/definition/chain-problems.js';
import type { PlanEdge } from '../../workflows/definition/plan.js';

const parse = (document: object) => ChainDocument.parse({ name: 'Chain', ...document });
const edgesFrom = (edges: readonly PlanEdge[], from: string, port: string) =>
  edges.filter((edge) => edge.from === from && edge.port === port);
const rules = { urlProblem: (url: string) => (url.includes('localhost') ? 'localhost is private' : null) };

const full = parse({
  primary_steps: [
    { kind: 'trigger', label: 'In' },
    { kind: 'agent', label: 'Triage', config: { max_retries: 1, timeout_seconds: 5 } },
    { kind: 'decide', label: 'Which' },
    { kind: 'webhook', label: 'Out', config: { url: 'https://example.com/hook', secret: '{{secret:KEY}}' } },
    { kind: 'human', label: 'Sure?', config: { timeout_seconds: 60 } },
    { kind: 'notify', label: 'Tell', config: { to: 'ana@example.com' } },
  ],
  branches: [
    {
      name: 'refund',
      steps: [
        { kind: 'human', label: 'Pay?' },
        { kind: 'notify', label: 'Paid' },
      ],
    },
    { name: 'spam', steps: [{ kind: 'notify', label: 'Drop' }] },
  ],
});

describe('compiling', () => {
  const plan = compileChain(full);

  test('every step is a node, in order', () => {
    expect(Object.keys(plan?.nodes ?? {})).toEqual([
      'p0',
      'p1',
      'p2',
      'p2.b0.0',
      'p2.b0.1',
      'p2.b1.0',
      'p3',
      'p4',
      'p5',
    ]);
    expect(plan?.entry).toBe('p0');
    expect(Object.values(plan?.nodes ?? {}).map((node) => node.kind)).toEqual([
      'pass',
      'agent',
      'branch',
      'approval',
      'notify',
      'notify',
      'webhook',
      'approval',
      'notify',
    ]);
  });

  test('a decide step tries its branches in order and then the main line', () => {
    const ways = edgesFrom(plan?.edges ?? [], 'p2', 'out');
    expect(ways.map(({ to, label }) => [to, label])).toEqual([
      ['p2.b0.0', 'refund'],
      ['p2.b1.0', 'spam'],
      ['p3', null],
    ]);
  });

  test('a branch comes back to the main line, a human step only when approved', () => {
    expect(edgesFrom(plan?.edges ?? [], 'p2.b0.1', 'out').map((way) => way.to)).toEqual(['p3']);
    expect(edgesFrom(plan?.edges ?? [], 'p2.b0.0', 'approved').map((way) => way.to)).toEqual(['p2.b0.1']);
    expect(edgesFrom(plan?.edges ?? [], 'p4', 'rejected')).toEqual([]);
  });

  test('patience comes from the step', () => {
    expect(plan?.nodes['p1']?.policy).toMatchObject({ maxAttempts: 2, timeoutMs: 5_000 });
    expect(plan?.nodes['p3']?.policy).toMatchObject({ maxAttempts: 6, timeoutMs: 10_000 });
    expect(plan?.nodes['p4']).toMatchObject({ config: { prompt: 'Sure?', timeout_seconds: 60, quorum: 1 } });
    expect(plan?.nodes['p5']).toMatchObject({ config: { channel: 'email', to: 'ana@example.com' } });
  });

  test('no steps, no plan', () => expect(compileChain(parse({}))).toBeNull());

  test('the same document gives the same plan', () => expect(compileChain(full)).toEqual(plan));
});

describe('schedules', () => {
  const scheduled = parse({
    primary_steps: [
      { kind: 'trigger', label: 'In' },
      { kind: 'schedule', label: 'Daily', config: { cron: '0 9 * * *', timezone: 'Europe/Berlin' } },
      { kind: 'schedule', label: 'Later', config: { delay_seconds: 90 } },
      { kind: 'schedule', label: 'At nine', config: { cron: '0 9 * * *' } },
    ],
  });

  test('the first one starts the chain, later ones wait', () => {
    expect(chainCron(scheduled)).toEqual({ cron: '0 9 * * *', timezone: 'Europe/Berlin' });
    const nodes = compileChain(scheduled)?.nodes ?? {};
    expect(nodes['p1']?.kind).toBe('pass');
    expect(nodes['p2']).toMatchObject({ kind: 'delay', config: { seconds: 90 } });
    expect(nodes['p3']).toMatchObject({ kind: 'delay', config: { cron: '0 9 * * *', timezone: 'UTC' } });
  });

  test.each([
    ['0 9 * * *', 'Mars/Olympus', 'timezone'],
    ['0 9 * *', 'UTC', 'cron'],
    ['61 9 * * *', 'UTC', 'cron'],
    ['0 0 30 2 *', 'UTC', 'cron'],
  ])('%s in %s names its %s', (cron, timezone, key) => expect(cronProblem(cron, timezone)?.key).toBe(key));
});

describe('readiness', () => {
  const codes = (document: object): readonly string[] =>
    chainProblems(parse(document), rules).map((problem) => problem.code);

  test('a whole chain has none', () => expect(chainProblems(full, rules)).toEqual([]));

  test.each([
    ['no_steps', {}],
    ['missing_label', { primary_steps: [{ kind: 'trigger' }] }],
    ['webhook_incomplete', { primary_steps: [{ kind: 'webhook', label: 'Hook' }] }],
    ['unsafe_url', { primary_steps: [{ kind: 'webhook', label: 'Hook', config: { url: 'http://localhost/x' } }] }],
    ['notify_incomplete', { primary_steps: [{ kind: 'notify', label: 'Mail', config: { channel: 'email' } }] }],
    ['schedule_incomplete', { primary_steps: [{ kind: 'schedule', label: 'When' }] }],
    ['bad_schedule', { primary_steps: [{ kind: 'schedule', label: 'When', config: { cron: 'x' } }] }],
    ['no_branches', { primary_steps: [{ kind: 'decide', label: 'Which' }] }],
    [
      'branch_unused',
      {
        primary_steps: [{ kind: 'trigger', label: 'In' }],
        branches: [{ name: 'a', steps: [{ kind: 'human', label: 'h' }] }],
      },
    ],
  ])('%s', (code, document) => expect(codes(document)).toContain(code));

  test('branches: names, steps, deciding again, unknown ones', () => {
    const problems = codes({
      primary_steps: [{ kind: 'decide', label: 'Which', config: { branches: ['nowhere'] } }],
      branches: [
        { name: '', steps: [{ kind: 'decide', label: 'Again' }] },
        { name: 'A', steps: [] },
        { name: 'a', steps: [{ kind: 'human', label: 'h' }] },
      ],
    });
    expect(problems).toEqual(
      expect.arrayContaining(['branch_unnamed', 'decide_in_branch', 'branch_empty', 'branch_twice', 'unknown_branch']),
    );
  });
});

test.each([
  [{ primary_steps: [{ kind: 'teleport', label: 'x' }] }],
  [{ primary_steps: [{ kind: 'webhook', label: 'x', config: { uri: 'typo' } }] }],
  [{ name: '' }],
])('a document of another shape is refused: %j', (document) => {
  expect(ChainDocument.safeParse({ name: 'Chain', ...document }).success).toBe(false);
});

test('schemas of a chain are part of its plan, and one that is none is a problem', () => {
  const step = { kind: 'notify', label: 'Note', config: { channel: 'log' } };
  const document = ChainDocument.parse({
    name: 'Schemas',
    primary_steps: [step],
    input_schema: { type: 'object', required: ['order'] },
    output_schema: { type: 'nothing' },
  });
  expect(compileChain(document)).toMatchObject({
    inputSchema: { required: ['order'] },
    outputSchema: { type: 'nothing' },
  });
  expect(chainProblems(document, { urlProblem: () => null })).toMatchObject([
    { code: 'bad_schema', field: 'output_schema.type' },
  ]);
});
