import { inScope } from '../contract/ids.js';
import { EVERY_STEP, namedSteps, namesOf, type Names } from '../definition/expressions.js';
import type { Plan, Reads } from '../definition/plan.js';
import { inline, jsonOf, type Json, type Value } from '../definition/values.js';
import type { RunState, Visit } from './state.js';

/** What expressions read in a rehearsal, where every value is at hand. */
export interface NameSetting {
  readonly plan: Plan;
  readonly state: RunState;
  readonly run: { readonly id: string; readonly input: Value };
  readonly message: string | null;
}

export interface Asked {
  readonly reads: Reads | undefined;
  readonly input: Value;
  readonly index?: number;
}

export function rehearsalNames(setting: NameSetting, visit: Visit, asked: Asked): Names {
  const { plan, state, run, message } = setting;
  const { reads = {}, input } = asked;
  const frame = state.frames[visit.scope];
  const ids = idsRead(plan, reads);
  const outputs = Object.fromEntries(ids.map((id) => [id, jsonOr(outputSeenFrom(state, visit.scope, id), null)]));
  return namesOf({
    input: jsonOr(input, null),
    run: { id: run.id, input: jsonOr(run.input, null) },
    vars: Object.fromEntries(Object.entries(state.vars).map(([name, value]) => [name, jsonOr(value, null)])),
    steps: namedSteps(outputs, { ...reads, steps: ids }),
    item: jsonOr(frame?.item, null),
    index: asked.index ?? frame?.index ?? null,
    message,
  });
}

/** Ids of nodes whose results are read. */
export const idsRead = (plan: Plan, { steps = [] }: Reads): readonly string[] =>
  steps.includes(EVERY_STEP) ? Object.keys(plan.nodes) : steps;

/** The last output of a node: in the frame itself, else in the nearest one around it. */
export function outputSeenFrom(state: RunState, scope: string, nodeId: string): Value | undefined {
  for (let at = scope; ; at = state.frames[at]?.scope ?? '') {
    const output = state.outputs[inScope(at, nodeId)];
    if (output !== undefined || at === '') return output;
  }
}

const jsonOr = (value: Value | undefined, otherwise: Json): Json => jsonOf(value ?? inline(otherwise)) ?? otherwise;
