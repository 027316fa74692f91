import { Client as TemporalClient, Connection } from '@temporalio/client';
import { openDatabase } from '../../db/client.js';
import { waitUntil } from '../../local/processes.js';
import { effectKey, runWorkflowId } from '../../workflows/contract/ids.js';
import type { Client } from './client.js';
import { listRuns, RESERVE_NODE, SHIP_NODE, type Decision, type DecisionRecord, type Ledger } from './load.js';
import { NAMESPACE, type Platform } from './platform.js';
import type { Sink } from './sink.js';

export interface Evidence {
  readonly platform: Pick<Platform, 'databaseUrl' | 'temporalAddress'>;
  readonly client: Client;
  readonly sink: Sink;
  readonly ledger: Ledger;
  readonly workspaceId: string;
  readonly runs: number;
}

/** Everything that is not as it must be, one sentence each. */
export async function violationsOf(evidence: Evidence): Promise<readonly string[]> {
  const rows = await readRows(evidence.platform.databaseUrl);
  return [
    ...evidence.ledger.surprises,
    ...evidence.sink.complaints,
    ...startViolations(evidence, rows),
    ...rows.flatMap((row) => [...outcomeViolations(evidence, row), ...webhookViolations(evidence, row)]),
    ...foreignWebhooks(evidence, rows),
    ...(await listViolations(evidence, rows)),
    ...(await temporalViolations(evidence, rows)),
  ];
}

interface Row {
  readonly id: string;
  readonly status: string;
  readonly order: string;
  readonly approvals: readonly string[];
  readonly steps: readonly { readonly node: string; readonly status: string }[];
}

async function readRows(url: string): Promise<readonly Row[]> {
  const db = openDatabase({ url, maxConnections: 1 });
  try {
    const runs = await db.selectFrom('runs').select(['id', 'status', 'input']).execute();
    const approvals = await db
      .selectFrom('waits')
      .select(['run_id', 'status'])
      .where('kind', '=', 'decision')
      .execute();
    const steps = await db.selectFrom('run_steps').select(['run_id', 'node_id', 'status']).execute();
    return runs.map(({ id, status, input }) => ({
      id,
      status,
      order: orderIn(input),
      approvals: approvals.filter((each) => each.run_id === id).map((each) => each.status),
      steps: steps.filter((each) => each.run_id === id).map((each) => ({ node: each.node_id, status: each.status })),
    }));
  } finally {
    await db.destroy();
  }
}

function orderIn(input: unknown): string {
  // -- reason: the input the harness itself sent, as the platform stores it
  const { json } = input as { readonly json?: { readonly order?: string } };
  return json?.order ?? '';
}

function startViolations({ ledger, runs }: Evidence, rows: readonly Row[]): readonly string[] {
  const known = new Map(rows.map((row) => [row.id, row]));
  const lost = [...ledger.accepted].filter(([key, id]) => known.get(id)?.order !== key);
  return [
    ...(ledger.accepted.size === runs ? [] : [`${ledger.accepted.size} of ${runs} starts were accepted`]),
    ...(rows.length === runs ? [] : [`${runs} keys made ${rows.length} runs`]),
    ...lost.map(([key, id]) => `${key} was accepted as ${id} and has no such run`),
  ];
}

function outcomeViolations({ ledger }: Evidence, { id, status, approvals, steps }: Row): readonly string[] {
  const [approval, ...more] = approvals;
  if (approval === undefined || more.length > 0) return [`${id} has ${approvals.length} approvals`];
  const isApproved = approval === 'approved';
  const open = steps.filter((step) => step.status === 'running' || step.status === 'waiting');
  const checks: readonly (readonly [boolean, string])[] = [
    [approval !== 'pending', 'has a pending approval'],
    [status === (isApproved ? 'completed' : 'cancelled'), `is ${status} although its approval is ${approval}`],
    [steps.length === (isApproved ? 6 : 4), `is ${status} with ${steps.length} steps`],
    [open.length === 0, `has unfinished steps: ${open.map((step) => `${step.node} ${step.status}`).join(', ')}`],
    ...decisionChecks(ledger.decisions.get(id), isApproved ? 'approve' : 'reject'),
  ];
  return checks.filter(([holds]) => !holds).map(([, text]) => `${id} ${text}`);
}

function decisionChecks(made: DecisionRecord | undefined, kept: Decision): readonly (readonly [boolean, string])[] {
  if (made === undefined) return [[false, 'was never decided']];
  return [
    [made.won.length <= 1, 'told two callers that they decided'],
    [made.won.every((each) => each === kept), 'keeps another decision than it answered'],
    [made.won.length > 0 || made.unclear, 'told nobody that they decided'],
  ];
}

function webhookViolations({ sink }: Evidence, { id, status }: Row): readonly string[] {
  const received = sink.received();
  const check = (node: string, wanted: number): readonly string[] => {
    const found = received.get(effectKey(id, `${node}/1`));
    const effects = found?.effects ?? 0;
    return [
      ...(effects === wanted ? [] : [`${id}: webhook ${node} took effect ${effects} times, not ${wanted}`]),
      ...((found?.bodies.size ?? 0) > 1 ? [`${id}: webhook ${node} came with ${found?.bodies.size} bodies`] : []),
    ];
  };
  return [...check(RESERVE_NODE, 1), ...check(SHIP_NODE, status === 'completed' ? 1 : 0)];
}

function foreignWebhooks({ sink }: Evidence, rows: readonly Row[]): readonly string[] {
  const keys = new Set(rows.flatMap(({ id }) => [effectKey(id, `${RESERVE_NODE}/1`), effectKey(id, `${SHIP_NODE}/1`)]));
  return [...sink.received().keys()].filter((key) => !keys.has(key)).map((key) => `the sink knows a stray key ${key}`);
}

async function listViolations({ client }: Evidence, rows: readonly Row[]): Promise<readonly string[]> {
  const listed = new Map((await listRuns(client)).map((run) => [run.id, run.status]));
  return rows
    .filter((row) => listed.get(row.id) !== row.status)
    .map((row) => `the API lists ${row.id} as ${listed.get(row.id)}, it is ${row.status}`);
}

/** Each run is one closed execution; a run decided against completed as a workflow, since nothing went wrong. */
async function temporalViolations(evidence: Evidence, rows: readonly Row[]): Promise<readonly string[]> {
  const connection = await Connection.connect({ address: evidence.platform.temporalAddress });
  try {
    const { workflow } = new TemporalClient({ connection, namespace: NAMESPACE });
    const executions = new Map<string, number>();
    const count = async (): Promise<boolean> => {
      executions.clear();
      for await (const { workflowId } of workflow.list({ query: 'WorkflowType = "run"' }))
        executions.set(workflowId, (executions.get(workflowId) ?? 0) + 1);
      return rows.every(({ id }) => executions.has(runWorkflowId(evidence.workspaceId, id)));
    };
    // Temporal's lists follow its histories by a moment
    await waitUntil(count, { patienceMs: 20_000, everyMs: 250 });
    const found: string[] = [];
    for (const { id } of rows) {
      const workflowId = runWorkflowId(evidence.workspaceId, id);
      const { status } = await workflow.getHandle(workflowId).describe();
      const chains = executions.get(workflowId) ?? 0;
      if (status.name !== 'COMPLETED') found.push(`${id}: the workflow is ${status.name}`);
      if (chains !== 1) found.push(`${id}: ${chains} workflow executions`);
    }
    return found;
  } finally {
    await connection.close();
  }
}
