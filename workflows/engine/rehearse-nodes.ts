import { visitKey } from '../contract/ids.js';
import type { NodeError } from '../contract/failures.js';
import { evaluateExpr, ExpressionError, resolveMapping, type Names } from '../definition/expressions.js';
import type { NodeKind, NodeOf, PlanNode, Port } from '../definition/plan.js';
import { inline, type Json, type Value } from '../definition/values.js';
import { isGroupDone, openItems, openRound, resultOf } from './frames.js';
import { cancelNodes, finishNow } from './reduce.js';
import { rehearsalNames } from './rehearse-names.js';
import { settingOf, type Rehearsal } from './rehearsal.js';
import type { RunState, Visit } from './state.js';

/** What an open visit came to: it leaves, fails, or only changes the state. */
export type Outcome =
  | {
      readonly output: Value;
      readonly port?: Port;
      readonly vars?: Readonly<Record<string, Value>>;
      readonly endsPath?: boolean;
    }
  | { readonly error: NodeError }
  | { readonly state: RunState };

/** Null for what only the recording knows, or while the body is not done. */
type Compute<K extends NodeKind> = (rehearsal: Rehearsal, visit: Visit, node: NodeOf<K>) => Outcome | null;

const passOn = (_: Rehearsal, { input }: Visit): Outcome => ({ output: input });
const asRecorded = (): null => null;

/** Total over kinds: what a run works out by itself. */
const compute: { readonly [K in NodeKind]: Compute<K> } = {
  pass: passOn,
  branch: passOn,
  join: passOn,
  respond: passOn,
  compensate: passOn,
  delay: passOn,
  until: passOn,
  cancel: withdraw,
  set: setVars,
  end: endPath,
  map: runMap,
  loop: runLoop,
  listen: hear,
  subflow: asRecorded,
  approval: asRecorded,
  wait_event: asRecorded,
  assistant: asRecorded,
  agent: asRecorded,
  instruction_agent: asRecorded,
  agent_turn: asRecorded,
  llm: asRecorded,
  knowledge: asRecorded,
  http: asRecorded,
  tool: asRecorded,
  code: asRecorded,
  email: asRecorded,
  channel_send: asRecorded,
  webhook: asRecorded,
  notify: asRecorded,
};

export function computed(rehearsal: Rehearsal, visit: Visit, node: PlanNode): Outcome | null {
  // -- reason: the record holds for each kind the function of that kind; the compiler cannot relate the two
  return (compute[node.kind] as Compute<NodeKind>)(rehearsal, visit, node);
}

function withdraw(rehearsal: Rehearsal, visit: Visit, { config }: NodeOf<'cancel'>): Outcome {
  const { plan, state } = rehearsal;
  rehearsal.state = cancelNodes(plan, state, { scope: visit.scope, nodes: config.nodes });
  return { output: visit.input };
}

const namesFor = (rehearsal: Rehearsal, visit: Visit, more: { input?: Value; index?: number } = {}): Names =>
  rehearsalNames(settingOf(rehearsal), visit, {
    reads: rehearsal.plan.nodes[visit.nodeId]?.reads,
    input: visit.input,
    ...more,
  });

function setVars(rehearsal: Rehearsal, visit: Visit, { config }: NodeOf<'set'>): Outcome {
  const names = namesFor(rehearsal, visit);
  const values = Object.fromEntries(
    Object.entries(config.values).map(([name, mapping]) => [name, inline(resolveMapping(mapping, names))]),
  );
  return { output: { parts: values }, vars: values };
}

function endPath(rehearsal: Rehearsal, visit: Visit, { config }: NodeOf<'end'>): Outcome {
  const { output: mapping, terminate } = config;
  const output = mapping === undefined ? visit.input : inline(resolveMapping(mapping, namesFor(rehearsal, visit)));
  return terminate ? { state: finishNow(rehearsal.state, output) } : { output, endsPath: true };
}

function runMap(rehearsal: Rehearsal, visit: Visit, { config }: NodeOf<'map'>): Outcome | null {
  const { plan, state } = rehearsal;
  if (state.groups[visitKey(visit)] !== undefined) return bodyOutcome(state, visit, true);
  const items = listOf(evaluateExpr(config.items, namesFor(rehearsal, visit)));
  return { state: openItems(plan, state, { visit, items: items.map(inline) }) };
}

function listOf(json: Json): readonly Json[] {
  if (Array.isArray(json)) return json as readonly Json[];
  throw new ExpressionError('items: the expression gives no list.');
}

function bodyOutcome(state: RunState, visit: Visit, isMap: boolean): Outcome | null {
  const key = visitKey(visit);
  const error = state.groups[key]?.error ?? null;
  if (error !== null) return { error };
  return isGroupDone(state, key) ? { output: resultOf(state, key, isMap) } : null;
}

function runLoop(rehearsal: Rehearsal, visit: Visit, { config }: NodeOf<'loop'>): Outcome | null {
  const { plan, state } = rehearsal;
  const group = state.groups[visitKey(visit)];
  const ended = group === undefined ? { output: visit.input } : bodyOutcome(state, visit, false);
  if (ended === null || !('output' in ended)) return ended;
  const { output: input } = ended;
  const round = group?.next ?? 0;
  const { while: condition, max_iterations: most } = config;
  const goesOn =
    condition === undefined
      ? round < most
      : evaluateExpr(condition, namesFor(rehearsal, visit, { input, index: round })) === true;
  if (!goesOn) return ended;
  if (round < most) return { state: openRound(plan, state, { visit, input }) };
  const message = `The loop's condition still holds after ${most} rounds; raise max_iterations or mend the condition.`;
  return { error: { type: 'loop_limit', message } };
}

/** A run that is no conversation was told everything at its start. */
function hear(rehearsal: Rehearsal, visit: Visit): Outcome | null {
  if (rehearsal.recording.isConversation) return null;
  const endsPath = rehearsal.isHeard || rehearsal.message === null;
  rehearsal.isHeard = true;
  return { output: visit.input, endsPath };
}
