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

const messages = ['I have a question: do you ship to Norway?', 'My order 1042 arrived broken, I want a refund.'];

/** On first start a sample chain with one finished run and one that waits for a person. */
export async function createSample({ apiUrl, config, root }: SampleInput): Promise<void> {
  const marker = path.join(root, 'sample-made');
  const { adminEmail: email, adminPassword: password } = config;
  if (existsSync(marker) || email === undefined || password === undefined) return;
  const { access_token: token } = await post<{ access_token: string }>(`${apiUrl}/v1/auth/login`, { email, password });
  const call = (at: string, body: object, key: string): Promise<object> =>
    post(`${apiUrl}/v1/workflow-chains${at}`, body, { authorization: `Bearer ${token}`, 'idempotency-key': key });
  await call('', sample, 'sample-chain');
  for (const [index, text] of messages.entries()) {
    await call('/refund-desk/run', { input: { text } }, `sample-run-${index}`);
  }
  writeFileSync(marker, '');
}

async function post<T>(url: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`The sample could not be made: ${url} answered ${response.status}.`);
  // -- reason: our own API; what it answers is tested
  return (await response.json()) as T;
}
