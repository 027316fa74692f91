import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ApiConfig } from '../api/config.js';

export interface SampleInput {
  /** Where the API answers, without a slash at the end. */
  readonly apiUrl: string;
  readonly config: ApiConfig;
  /** The data folder: it remembers that the sample was made, so that a deleted one stays deleted. */
  readonly root: string;
}

const sample = {
  name: 'Refund desk',
  slug: 'refund-desk',
  status: 'live',
  summary: 'Reads a customer message, asks a person before money moves, and writes down what happened.',
  when_label: 'When a customer writes',
  primary_steps: [
    { kind: 'trigger', label: 'Customer message' },
    {
      kind: 'agent',
      label: 'Triage',
      config: {
        instructions:
          'Say in one sentence whether the customer asks for a refund or has a question. Use the word refund or question.',
      },
    },
    { kind: 'decide', label: 'Refund or question?' },
    { kind: 'notify', label: 'Close the ticket', config: { channel: 'log', text: 'Ticket closed: {{ text }}' } },
  ],
  branches: [
    {
      name: 'refund',
      steps: [
        { kind: 'human', label: 'Approve the refund', config: { prompt: 'Refund this customer?' } },
        { kind: 'notify', label: 'Pay out', config: { channel: 'log', text: 'Refund approved: {{ text }}' } },
      ],
    },
    {
      name: 'question',
      steps: [{ kind: 'assistant', label: 'Draft an answer', config: { message: 'Answer the customer: {{ text }}' } }],
    },
  ],
};

/** The same idea as a graph: branches, work side by side, a person, an effect that can be undone. */
const orderDesk = {
  nodes: [
    { id: 'start', type: 'start', label: 'Order' },
    { id: 'work', type: 'parallel', label: 'Look both up' },
    { id: 'total', type: 'code', label: 'Total', config: { source: 'return run.input.price * run.input.pieces' } },
    { id: 'summary', type: 'llm', label: 'Summary', config: { prompt: 'Summarise the order: {{ run.input.note }}' } },
    { id: 'known', type: 'join', label: 'Both known' },
    { id: 'large', type: 'branch', label: 'Large order?' },
    {
      id: 'ask',
      type: 'approval',
      label: 'Approve the order',
      config: { prompt: 'Ship {{ run.input.pieces }} pieces for {{ steps.total }}?' },
    },
    {
      id: 'ship',
      type: 'channel_send',
      label: 'Ship',
      config: { channel: 'log', text: 'Shipped: {{ run.input.note }}' },
    },
    { id: 'end', type: 'end', label: 'Done', config: { output: { total: '{{ steps.total }}' } } },
  ],
  edges: [
    { source: 'start', target: 'work' },
    { source: 'work', target: 'total' },
    { source: 'work', target: 'summary' },
    { source: 'total', target: 'known' },
    { source: 'summary', target: 'known' },
    { source: 'known', target: 'large' },
    { source: 'large', target: 'ask', label: 'large', condition: { expr: 'steps.total > 100' }, priority: 1 },
    { source: 'large', target: 'ship', label: 'small', priority: 2 },
    { source: 'ask', target: 'ship', label: 'approved' },
    { source: 'ship', target: 'end' },
  ],
};

const orders = [
  { note: 'a blue kettle', price: 30, pieces: 1 },
  { note: 'kettles for a whole office', price: 30, pieces: 12 },
];

const messages = ['I have a question: do you ship to Norway?', 'My order 1042 arrived broken, I want a refund.'];

/** On first start a sample chain and a sample graph, each with one finished run and one that waits for a person. */
export async function createSample({ apiUrl, config, root }: SampleInput): Promise<void> {
  const marker = path.join(root, 'sample-made');
  const { adminEmail: email, adminPassword: password } = config;
  if (existsSync(marker) || email === undefined || password === undefined) return;
  const { access_token: token } = await send<{ access_token: string }>(`${apiUrl}/v1/auth/login`, { email, password });
  const call: Call = (at, body, key) =>
    send(`${apiUrl}/v1${at}`, body, { authorization: `Bearer ${token}`, 'idempotency-key': key });
  await createChain(call);
  await createGraph(call);
  // the first look at a workspace's agents gives it those that new ones begin with
  await ask(`${apiUrl}/api/v1/agents`, { headers: { authorization: `Bearer ${token}` } });
  writeFileSync(marker, '');
}

type Call = (at: string, body: object, key: string) => Promise<{ readonly id?: string }>;

async function createChain(call: Call): Promise<void> {
  await call('/workflow-chains', sample, 'sample-chain');
  for (const [index, text] of messages.entries()) {
    await call('/workflow-chains/refund-desk/run', { input: { text } }, `sample-run-${index}`);
  }
}

async function createGraph(call: Call): Promise<void> {
  const made = { name: 'Order desk', engine: 'automation', description: 'Large orders wait for a person.' };
  await call('/workflows', made, 'sample-workflow');
  await call('/workflows/order-desk/graph', orderDesk, 'sample-graph');
  await call('/workflows/order-desk/publish', {}, 'sample-publish');
  for (const [index, input] of orders.entries()) {
    await call('/runs', { definition: 'order-desk', input, tags: ['sample'] }, `sample-order-${index}`);
  }
}

/** A graph is put in its place, all else is posted. */
function send<T>(url: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<T> {
  return ask(url, {
    method: url.endsWith('/graph') ? 'PUT' : 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

async function ask<T>(url: string, init: RequestInit): Promise<T> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`The sample could not be made: ${url} answered ${response.status}.`);
  // -- reason: our own API; what it answers is tested
  return (await response.json()) as T;
}
