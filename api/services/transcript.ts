import { spokenSteps, type SpokenStep } from '../../db/conversations.js';
import { presentValue, loadValue } from '../../db/values.js';
import type { Database } from '../../db/client.js';
import type { RunRow } from '../../db/run-commands.js';
import type { RunRef } from '../../workflows/contract/run.js';
import type { Plan, PlanEdge, PlanNode } from '../../workflows/definition/plan.js';
import { toolsCalled } from '../../workflows/definition/tools-called.js';
import { textOf, type Json, type Value } from '../../workflows/definition/values.js';

/** A conversation as its run recorded it. */

export interface Message {
  readonly role: 'user' | 'assistant';
  readonly text: string;
  /** Who said it, or listened. */
  readonly node_id: string;
  readonly at?: Date | null;
}

export interface Trace {
  readonly type: string;
  readonly node_id: string;
  readonly [detail: string]: Json;
}

export interface Transcript {
  readonly messages: readonly Message[];
  readonly trace: readonly Trace[];
  readonly variables: Readonly<Record<string, Json>>;
}

/** The wait in front of a node is shown as the node itself. */
export function shownId({ nodes }: Plan, id: string): string {
  const of = id.endsWith('.listen') ? id.slice(0, -'.listen'.length) : id;
  return nodes[id]?.kind === 'listen' && nodes[of] !== undefined ? of : id;
}

/** What happened, in ids of the author's own nodes; going from a node to the wait in front of it is going nowhere. */
export const shownTrace = (plan: Plan, entries: readonly Trace[]): readonly Trace[] =>
  entries.flatMap((entry) => {
    const { to } = entry;
    const node_id = shownId(plan, entry.node_id);
    if (typeof to !== 'string') return [{ ...entry, node_id }];
    const target = shownId(plan, to);
    return target === node_id ? [] : [{ ...entry, node_id, to: target }];
  });

type Event = { readonly message: Message } | { readonly trace: Trace };

interface Recorded {
  readonly db: Database;
  readonly run: RunRef;
  readonly plan: Plan;
}

/** `since` the user's last message, or from the start. */
export async function transcriptOf(
  db: Database,
  { row, plan }: { readonly row: RunRow; readonly plan: Plan },
  since: 'start' | 'last-message',
): Promise<Transcript> {
  const run = { workspaceId: row.workspace_id, runId: row.id };
  const record = { db, run, plan };
  const given = await givenTo(db, row);
  const steps = await spokenSteps(db, run);
  const events: Event[] = firstMessage(plan, given, row.created_at);
  const entered = new Set<string>();
  for (const [index, step] of steps.entries()) {
    events.push(...enterings(plan, step, entered).map((trace) => ({ trace })));
    events.push(...(await eventsOf(record, step, steps.slice(index + 1))));
  }
  const from = since === 'start' ? 0 : events.findLastIndex(isOfUser) + 1;
  const shown = events.slice(from);
  return {
    messages: shown.flatMap((event) => ('message' in event ? [event.message] : [])),
    trace: shownTrace(
      plan,
      shown.flatMap((event) => ('trace' in event ? [event.trace] : [])),
    ),
    variables: { ...variablesGiven(given), ...(await presentAll(db, run.workspaceId, variablesSet(record, steps))) },
  };
}

const isOfUser = (event: Event): boolean => 'message' in event && event.message.role === 'user';

type JsonObject = Readonly<Record<string, Json>>;

const asObject = (json: Json): JsonObject =>
  // -- reason: an object in JSON is one of JSON
  json === null || typeof json !== 'object' || Array.isArray(json) ? {} : (json as JsonObject);

const givenTo = async (db: Database, row: RunRow): Promise<JsonObject> =>
  asObject(await loadValue(db, row.workspace_id, row.input));

const variablesGiven = ({ message: _message, ...variables }: JsonObject): JsonObject => variables;

/** A workflow that does not begin by listening is told the first message all the same. */
function firstMessage(plan: Plan, { message }: JsonObject, at: Date): Event[] {
  if (typeof message !== 'string' || plan.nodes[plan.entry]?.kind === 'listen') return [];
  return [{ message: { role: 'user', text: message, node_id: plan.entry, at } }];
}

/** The workflows a step is the first of: their visits are written again when they end. */
function enterings({ nodes }: Plan, { scope }: SpokenStep, entered: Set<string>): readonly Trace[] {
  const found: Trace[] = [];
  // a scope is `owner/visit/index`, and that of a frame in a frame begins with the outer one
  const parts = scope === '' ? [] : scope.split('/');
  for (let end = 3; end <= parts.length; end += 3) {
    const key = parts.slice(0, end).join('/');
    const nodeId = parts[end - 3] ?? '';
    if (entered.has(key)) continue;
    entered.add(key);
    if (nodes[nodeId]?.dialectKind === 'workflow') found.push({ type: 'workflow.subworkflow.enter', node_id: nodeId });
  }
  return found;
}

async function eventsOf(record: Recorded, step: SpokenStep, later: readonly SpokenStep[]): Promise<readonly Event[]> {
  const node = record.plan.nodes[step.node_id];
  if (node === undefined) return [];
  const before = node.kind === 'listen' ? saidBy(record, step, step.started_at) : [];
  if (step.status !== 'completed') return before;
  const after = node.kind === 'listen' ? [] : saidBy(record, step, step.ended_at);
  return [...before, ...(await doneBy(record, { step, node })), ...after, ...routeOf(record.plan, step, later)];
}

function saidBy({ plan }: Recorded, { said, node_id: id }: SpokenStep, at: Date | null): readonly Event[] {
  if (said === null || said === '') return [];
  return [{ message: { role: 'assistant', text: said, node_id: shownId(plan, id), at } }];
}

interface Done {
  readonly step: SpokenStep;
  readonly node: PlanNode;
}

async function doneBy({ db, run, plan }: Recorded, done: Done): Promise<readonly Event[]> {
  const { output, node_id: id, ended_at: at } = done.step;
  const role = roleOf(done);
  const json = role === null || output === null ? null : await loadValue(db, run.workspaceId, output);
  const text = textOf(json);
  const message = role === null || text === '' ? [] : [{ message: { role, text, node_id: shownId(plan, id), at } }];
  return [...tracesOf(done, json).map((trace) => ({ trace })), ...message];
}

/** Whose words a step's output is. */
function roleOf({ step, node }: Done): Message['role'] | null {
  if (node.kind === 'listen') return step.port === 'timeout' ? null : 'user';
  return node.says === true ? 'assistant' : null;
}

function tracesOf({ node }: Done, output: Json): readonly Trace[] {
  const { id: node_id } = node;
  const tools = toolsCalled(node, output).map((tool) => ({ type: 'workflow.tool.executed', node_id, tool }));
  const entered = node.kind === 'subflow' ? [{ type: 'workflow.subworkflow.enter', node_id }] : [];
  const left = node.dialectKind === 'workflow' ? [{ type: 'workflow.subworkflow.leave', node_id }] : [];
  return [...tools, ...entered, ...left];
}

/** The edge a step left by: where there are several, the one whose target was visited next. */
function routeOf(
  { edges }: Plan,
  { node_id, port, scope }: SpokenStep,
  later: readonly SpokenStep[],
): readonly Event[] {
  const ways = edges.filter((edge) => edge.from === node_id && edge.port === (port ?? 'out'));
  const next = later.find((step) => step.scope === scope && ways.some((edge) => edge.to === step.node_id));
  const taken = ways.find((edge) => edge.to === next?.node_id);
  return taken === undefined ? [] : [{ trace: traceOf(taken) }];
}

const traceOf = ({ from, to, label }: PlanEdge): Trace => ({ type: 'workflow.node.route', node_id: from, to, label });

/** By the steps in their order, as the run itself did. */
function variablesSet({ plan }: Recorded, steps: readonly SpokenStep[]): Readonly<Record<string, Value>> {
  const values: Record<string, Value> = {};
  for (const { node_id, status, output, vars } of steps) {
    const node = plan.nodes[node_id];
    if (status !== 'completed' || node === undefined) continue;
    Object.assign(values, vars ?? {});
    if (output === null) continue;
    if (node.kind === 'set' && 'parts' in output) Object.assign(values, output.parts);
    if (node.saveAs !== undefined) values[node.saveAs] = output;
  }
  return values;
}

/** Large ones by their reference and their beginning. */
export async function presentAll(
  db: Database,
  workspaceId: string,
  values: Readonly<Record<string, Value>>,
): Promise<JsonObject> {
  return asObject(await presentValue(db, workspaceId, { parts: values }));
}
