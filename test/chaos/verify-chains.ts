import { effectKey } from '../../workflows/contract/ids.js';
import type { Evidence, RunRow } from './evidence.js';
import { listRuns, RESERVE_NODE, SHIP_NODE, type Decision, type DecisionRecord } from './load.js';

/** What the runs of the chain came to. */
export async function chainViolations(evidence: Evidence, rows: readonly RunRow[]): Promise<readonly string[]> {
  return [
    ...startViolations(evidence, rows),
    ...rows.flatMap((row) => [...outcomeViolations(evidence, row), ...webhookViolations(evidence, row)]),
    ...(await listViolations(evidence, rows)),
  ];
}

function startViolations({ ledger, runs }: Evidence, rows: readonly RunRow[]): readonly string[] {
  const known = new Map(rows.map((row) => [row.id, row]));
  const lost = [...ledger.accepted].filter(([key, id]) => known.get(id)?.order !== key);
  return [
    ...(ledger.accepted.size === runs ? [] : [`${ledger.accepted.size} of ${runs} starts were accepted`]),
    ...(rows.length === runs ? [] : [`${runs} keys made ${rows.length} runs`]),
    ...lost.map(([key, id]) => `${key} was accepted as ${id} and has no such run`),
  ];
}

function outcomeViolations({ ledger }: Evidence, { id, status, waits, steps }: RunRow): readonly string[] {
  const approvals = waits.filter(({ kind }) => kind === 'decision').map((wait) => wait.status);
  const [approval, ...more] = approvals;
  if (approval === undefined || more.length > 0) return [`${id} has ${approvals.length} approvals`];
  const isApproved = approval === 'approved';
  const checks: readonly (readonly [boolean, string])[] = [
    [status === (isApproved ? 'completed' : 'cancelled'), `is ${status} although its approval is ${approval}`],
    [steps.length === (isApproved ? 6 : 4), `is ${status} with ${steps.length} steps`],
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

function webhookViolations({ sink }: Evidence, { id, status }: RunRow): readonly string[] {
  const received = sink.received();
  const check = (node: string, wanted: number): readonly string[] => {
    const effects = received.get(effectKey(id, `${node}/1`))?.effects ?? 0;
    return effects === wanted ? [] : [`${id}: webhook ${node} took effect ${effects} times, not ${wanted}`];
  };
  return [...check(RESERVE_NODE, 1), ...check(SHIP_NODE, status === 'completed' ? 1 : 0)];
}

async function listViolations({ client }: Evidence, rows: readonly RunRow[]): Promise<readonly string[]> {
  const listed = new Map((await listRuns(client)).map((run) => [run.id, run.status]));
  return rows
    .filter((row) => listed.get(row.id) !== row.status)
    .map((row) => `the API lists ${row.id} as ${listed.get(row.id)}, it is ${row.status}`);
}
