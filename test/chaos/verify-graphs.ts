import { effectKey, inScope } from '../../workflows/contract/ids.js';
import type { Evidence, RunRow, StepRow } from './evidence.js';
import { undoneBy } from './graph-documents.js';
import type { Mode, Order } from './orders.js';
import type { Sink } from './sink.js';

/** What the orders and the carriers' runs came to, and every effect of theirs. */
export function graphViolations({ graphs, sink }: Evidence, runs: readonly RunRow[]): readonly string[] {
  const desks = runs.filter(({ kind, parentId }) => kind === 'workflow' && parentId === null);
  const children = runs.filter(({ parentId }) => parentId !== null);
  const orders = new Map(graphs.orders.map((order) => [order.name, order]));
  return [
    ...(desks.length === graphs.orders.length ? [] : [`${graphs.orders.length} orders made ${desks.length} runs`]),
    ...graphs.orders.flatMap(({ name }) => {
      const row = desks.find(({ order }) => order === name);
      if (row !== undefined && graphs.runs.get(name) === row.id) return [];
      return [`${name} was accepted as ${graphs.runs.get(name)} and is ${row?.id ?? 'no run'}`];
    }),
    ...desks.flatMap((row) => {
      const order = orders.get(row.order);
      const own = children.filter(({ parentId }) => parentId === row.id);
      return order === undefined ? [`${row.id} is of no order`] : deskViolations(row, { order, children: own, sink });
    }),
    ...runs.flatMap((row) => [...openViolations(row), ...effectViolations(row, sink), ...undoViolations(row, sink)]),
    ...strayEffects(runs, sink),
  ];
}

const ends: Readonly<Record<Mode, string>> = {
  ok: 'completed',
  cancel: 'cancelled',
  fail: 'failed',
  refuse: 'cancelled',
  child_fails: 'failed',
};

interface DeskFacts {
  readonly order: Order;
  readonly children: readonly RunRow[];
  readonly sink: Sink;
}

function deskViolations(row: RunRow, { order, children }: DeskFacts): readonly string[] {
  const { mode } = order;
  const [child, ...more] = children;
  const checks: readonly (readonly [boolean, string])[] = [
    [row.status === ends[mode], `is ${row.status}`],
    [more.length === 0, `has ${children.length} children`],
    [
      mode === 'cancel' || child?.status === (mode === 'child_fails' ? 'failed' : 'completed'),
      `child ${child?.status}`,
    ],
    [mode === 'cancel' || hasRun(row, order), `ran ${ran(row).join(' ')}`],
    [mode !== 'ok' || isApproved(row), 'went on without the votes of two people'],
  ];
  return checks.filter(([holds]) => !holds).map(([, text]) => `${row.id} (${order.name}, ${mode}) ${text}`);
}

/** The visits of acting nodes that have to be there, and no others. */
function hasRun(row: RunRow, order: Order): boolean {
  return JSON.stringify(ran(row)) === JSON.stringify(wantedOf(order).toSorted());
}

const isActing = (node: string): boolean => node in undoneBy || node.startsWith('un_');
const ran = ({ steps }: RunRow): readonly string[] =>
  steps
    .filter(({ node, status }) => isActing(node) && status === 'completed')
    .map(({ key, node, scope }) => (isUndoInItem(node, scope) ? `${inScope(scope, node)}/1` : key))
    .toSorted();

/** Undoings of a map that has ended are counted over the run; here it matters that each item has one. */
const isUndoInItem = (node: string, scope: string): boolean => scope !== '' && node.startsWith('un_');

function wantedOf({ mode, items }: Order): readonly string[] {
  const packed = (node: string): readonly string[] => items.map((_, index) => `each/1/${index}/${node}/1`);
  const begun = ['reserve/1', 'bill/1', 'label/1', ...packed('pack')];
  const undone = ['un_reserve/1', 'un_bill/1', 'un_label/1', ...packed('un_pack')];
  if (mode === 'ok') return [...begun, 'child/1', 'ship/1'];
  return mode === 'child_fails' ? [...begun, ...undone] : [...begun, 'child/1', ...undone, 'un_child/1'];
}

function isApproved({ waits }: RunRow): boolean {
  const [approval] = waits.filter(({ kind }) => kind === 'decision');
  const voters = new Set(approval?.votes.filter(({ decision }) => decision === 'approve').map(({ by }) => by));
  return approval?.status === 'approved' && voters.size === 2;
}

/** A run that is over leaves nothing open. */
function openViolations({ id, status, steps, waits }: RunRow): readonly string[] {
  const open = ['running', 'waiting', 'parked'];
  return [
    ...(['completed', 'failed', 'cancelled'].includes(status) ? [] : [`${id} is still ${status}`]),
    ...steps.filter((step) => open.includes(step.status)).map(({ key, ...step }) => `${id}: ${key} is ${step.status}`),
    ...waits.filter((wait) => wait.status === 'pending').map(({ token }) => `${id}: ${token} is pending`),
  ];
}

/** What ran took effect once; what failed never did; of a call that was cancelled under way nobody can tell. */
function effectViolations({ id, kind, steps, effects }: RunRow, sink: Sink): readonly string[] {
  if (kind !== 'workflow') return [];
  const ledger = new Map(effects.map((effect) => [effect.key, effect.status]));
  return steps
    .filter(({ node }) => isActing(node) && node !== 'child')
    .flatMap(({ key, status, decidedBy }) => {
      const known = effectKey(id, key);
      const found = sink.received().get(known);
      const times = found?.effects ?? 0;
      const right = status === 'completed' ? times === 1 : status === 'failed' ? times === 0 : times <= 1;
      const isReceipted = status !== 'completed' || decidedBy !== null || ledger.get(known) === 'done';
      return [
        ...(right ? [] : [`${known} is ${status} and took effect ${times} times`]),
        ...(isReceipted ? [] : [`${known} is completed and its effect is ${ledger.get(known) ?? 'not in the ledger'}`]),
      ];
    });
}

/** Undone is what was done, in a run that did not go well, once, newest first. */
function undoViolations({ id, kind, status, steps }: RunRow, sink: Sink): readonly string[] {
  if (kind !== 'workflow') return [];
  const byKey = new Map(steps.map((step) => [step.key, step]));
  const undoOf = (step: StepRow): string | null => undoKeyOf(step, steps);
  const done = steps.filter((step) => step.status === 'completed' && undoOf(step) !== null);
  const due = status === 'completed' ? [] : done;
  const missing = due.filter((step) => byKey.get(undoOf(step) ?? '')?.status !== 'completed');
  const wanted = new Set(due.map(undoOf));
  const extra = steps.filter(({ node, key }) => node.startsWith('un_') && !wanted.has(key));
  const at = (step: StepRow): number => sink.received().get(effectKey(id, undoOf(step) ?? ''))?.at ?? 0;
  const swapped = due.flatMap((first) =>
    due.filter((second) => isBefore(first, second) && at(second) > at(first)).map((second) => [first, second] as const),
  );
  return [
    ...missing.map(({ key }) => `${id} is ${status} and ${key} was not undone`),
    ...extra.map(({ key }) => `${id} is ${status} and ${key} undid what was not done`),
    ...swapped.map(([first, second]) => `${id}: ${first.key} was undone before ${second.key}, which came after it`),
  ];
}

/** The key of the visit that undoes it: the undoing node has one in each item. */
function undoKeyOf({ node, scope }: StepRow, steps: readonly StepRow[]): string | null {
  const undo = undoneBy[node] ?? null;
  if (undo === null) return null;
  return steps.find((step) => step.node === undo && step.scope === scope)?.key ?? `${inScope(scope, undo)}/1`;
}

const isBefore = (first: StepRow, second: StepRow): boolean =>
  first.endedAt !== null && first.endedAt.getTime() < second.startedAt.getTime();

/** Effects of steps that were never there, and keys that came with more than one body. */
function strayEffects(runs: readonly RunRow[], sink: Sink): readonly string[] {
  const keys = new Set(runs.flatMap(({ id, steps }) => steps.map(({ key }) => effectKey(id, key))));
  return [...sink.received()].flatMap(([key, { bodies }]) => [
    ...(keys.has(key) ? [] : [`the sink knows a stray key ${key}`]),
    ...(bodies.size === 1 ? [] : [`${key} came with ${bodies.size} bodies`]),
  ]);
}

/** Effects that took place although their calls were cancelled under way, so that nobody undid them. */
export const inLimbo = (runs: readonly RunRow[], sink: Sink): number =>
  runs
    .filter(({ kind }) => kind === 'workflow')
    .flatMap(({ id, steps }) =>
      steps.filter(({ status }) => status === 'cancelled').map(({ key }) => effectKey(id, key)),
    )
    .filter((key) => sink.tookEffect(key)).length;
