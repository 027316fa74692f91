import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { CodePort } from '../../activities/code/port.js';
import { noKnowledge } from '../../activities/knowledge/port.js';
import { NO_PRICES } from '../../activities/llm/prices.js';
import type { Ledger } from '../../activities/nodes/ledger.js';
import type { NodeContext, NodeDeps, NodeRunner } from '../../activities/nodes/runner.js';
import { createEgress } from '../../activities/egress/egress.js';
import { scriptedProvider } from '../../activities/llm/scripted.js';
import { createNodeRunners, NodeFailure, type NodeRunners } from '../../activities/nodes/runner.js';
import type { Json } from '../../workflows/definition/values.js';
import { namesOf } from '../../workflows/definition/expressions.js';
import { defaultPolicy, type NodeConfigs } from '../../workflows/definition/plan.js';
import { parseEgressAllow } from '../../db/egress.js';
import type { ActivityKind } from '../../workflows/contract/activities.js';

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The bytes as they came. */
  readonly body: string;
}

export interface HttpPeer {
  readonly url: string;
  readonly port: number;
  readonly requests: RecordedRequest[];
  readonly close: () => Promise<void>;
}

type Answer = (response: ServerResponse, request: RecordedRequest, count: number) => void;

export const portOf = (server: Server): number => (server.address() as AddressInfo).port; // -- listens on TCP

export async function startHttpPeer(answer: Answer): Promise<HttpPeer> {
  const requests: RecordedRequest[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = (await buffer(request)).toString();
    const { method = '', url: path = '', headers } = request;
    requests.push({ method, path, headers, body });
    answer(response, { method, path, headers, body }, requests.length);
  };
  const server = createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${portOf(server)}`, port: portOf(server), requests, close };
}

const noCode: CodePort = {
  run: () => Promise.reject(new Error('this test brought no sandbox')),
  close: () => Promise.resolve(),
};

/** Carries every effect out, and remembers nothing. */
export const openLedger = (effectKey: string): Ledger => ({
  written: () => Promise.resolve(),
  perform: ({ act, part }) => act(part === undefined ? effectKey : `${effectKey}/${part}`),
});

export const buildDeps = (overrides: Partial<NodeDeps> = {}): NodeDeps => ({
  egress: createEgress({ allow: parseEgressAllow('127.0.0.1') }),
  llm: scriptedProvider,
  mail: null,
  log: { info: () => undefined },
  code: noCode,
  knowledge: noKnowledge,
  tool: () => Promise.resolve(undefined),
  prices: NO_PRICES,
  runFacts: () => Promise.resolve({ tenant: { id: 'ten_1', slug: 't', name: 'T', settings: {} }, workflow: null }),
  pause: () => Promise.reject(new Error('this test brought no clock')),
  ...overrides,
});

/** Chains that were published before the policy existed have no `on_unknown`, so tests need not write it. */
type Config<K extends ActivityKind> = Omit<NodeConfigs[K], 'on_unknown'> & Partial<NodeConfigs[K]>;

export const EMPTY_SCOPE = {
  run: { id: 'run_1', input: null },
  vars: {},
  steps: {},
  item: null,
  index: null,
  message: null,
} as const;

export function buildContext<K extends ActivityKind>(
  kind: K,
  config: Config<K>,
  overrides: Partial<NodeContext<K>> & { readonly secrets?: Readonly<Record<string, string>> } = {},
): NodeContext<K> {
  const { secrets = {}, input = { text: 'hello' }, idempotencyKey = 'run_1/step-2/1', ...rest } = overrides;
  const node = { id: 'step-2', kind, label: 'Call', dialectKind: kind, policy: defaultPolicy, config };
  return {
    run: { workspaceId: 'ws_1', runId: 'run_1' },
    node: node as unknown as NodeContext<K>['node'], // -- kind and config are correlated by K
    visit: 1,
    key: 'step-2/1',
    round: 0,
    attempt: 1,
    startedAt: new Date('2026-01-01T00:00:00Z'),
    isLastAttempt: false,
    idempotencyKey,
    input,
    names: namesOf({ ...EMPTY_SCOPE, input }),
    isStubbed: false,
    ledger: openLedger(idempotencyKey),
    emit: () => undefined,
    signal: new AbortController().signal,
    secret: (name) => {
      const value = secrets[name];
      if (value !== undefined) return Promise.resolve(value);
      return Promise.reject(new NodeFailure('secret_missing', `No secret ${name}.`, { retryable: false }));
    },
    ...rest,
  };
}

/** The `NodeFailure` a promise rejects with; anything else fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<NodeFailure> {
  const error: unknown = await promise.then(
    (value) => new Error(`resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof NodeFailure) return error;
  throw error;
}

type PlainRunners = { readonly [K in keyof NodeRunners]: (context: NodeContext<K>) => Promise<Json> };

/** The runners, of whose answers only the outputs are looked at. */
export function plainRunners(deps: NodeDeps): PlainRunners {
  const plain = Object.entries(createNodeRunners(deps)).map(([kind, run]) => [
    kind,
    async (context: NodeContext<ActivityKind>) => (await (run as NodeRunner<ActivityKind>)(context)).output,
  ]);
  return Object.fromEntries(plain) as PlainRunners; // -- reason: each runner stands under its own kind
}
