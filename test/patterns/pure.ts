import { evaluateExpr, namesOf, resolveMapping, type Names } from '../../workflows/definition/expressions.js';
import { classOfKind, type NodeOf, type Plan, type PlanNode, type Port } from '../../workflows/definition/plan.js';
import { inline, jsonOf, type Json, type Value } from '../../workflows/definition/values.js';
import { nodeOf } from '../../workflows/engine/graph.js';
import type { RunState, Visit } from '../../workflows/engine/state.js';
import { happening, moveBody, play, type Happening, type Outcome, type Played } from '../engine/driver.js';

/** Plays a pattern without any server: what takes time ends in any order. */

export interface PurePlay {
  readonly plan: Plan;
  readonly input: Json;
  readonly ports: Readonly<Record<string, Port>>;
  readonly pick: (choices: number) => number;
}

export function playPurely({ plan, input, ports, pick }: PurePlay): Played {
  const next = (state: RunState, visit: Visit): Happening | null => {
    const names = namesFor(state, visit, input);
    const node = nodeOf(plan, visit.nodeId);
    const move = moveBody({ plan }, state, visit);
    const outcome = move === null ? answer(node, visit, { names, port: ports[node.id] }) : move(bodiesOf(node, names));
    return outcome === null ? null : happening({ plan, names }, visit, outcome);
  };
  return play({ plan, input: inline(input), next, pick });
}

const whole = (value: Value): Json => jsonOf(value) ?? null;
const all = (values: Readonly<Record<string, Value>>): Record<string, Json> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, whole(value)]));

function namesFor(state: RunState, visit: Visit, input: Json): Names {
  const frame = state.frames[visit.scope];
  return namesOf({
    ...{ input: whole(visit.input), run: { id: 'run_1', input }, vars: all(state.vars), steps: all(state.outputs) },
    ...{ item: frame === undefined ? null : whole(frame.item), index: frame?.index ?? null, message: null },
  });
}

function bodiesOf(node: PlanNode, names: Names) {
  const itemsOf = (): readonly Value[] => {
    const items = node.kind === 'map' ? evaluateExpr(node.config.items, names) : null;
    return Array.isArray(items) ? items.map((item: Json) => inline(item)) : [];
  };
  const goesOn = (_visit: Visit, index: number, input: Value): boolean => {
    if (node.kind !== 'loop') return false;
    const { while: condition, max_iterations: most } = node.config;
    return (
      index < most &&
      (condition === undefined || evaluateExpr(condition, { ...names, index, input: whole(input) }) === true)
    );
  };
  return { itemsOf, goesOn };
}

interface Asked {
  readonly names: Names;
  readonly port: Port | undefined;
}

/** What is no node of the flow is work, and says that it is done. */
function answer(node: PlanNode, visit: Visit, { names, port }: Asked): Outcome | null {
  if (node.kind === 'set') return setOf(node, names);
  if (node.kind === 'end') return endOf(node, visit, names);
  if (node.kind === 'cancel') return { ...handOn(visit), withdraws: node.config.nodes };
  if (node.kind === 'wait_event' && node.config.name === 'never') return null;
  const isFlow = ['inline', 'wait'].includes(classOfKind[node.kind]);
  return isFlow ? handOn(visit, port) : { type: 'output', output: inline(`${node.id} done`) };
}

function setOf({ config }: NodeOf<'set'>, names: Names): Outcome {
  const values = Object.entries(config.values).map(
    ([name, mapping]) => [name, inline(resolveMapping(mapping, names))] as const,
  );
  const vars = Object.fromEntries(values);
  return { type: 'output', output: { parts: vars }, vars };
}

const handOn = ({ input: output }: Visit, port: Port = 'out'): Extract<Outcome, { type: 'output' }> => ({
  type: 'output',
  output,
  port,
});

function endOf({ config }: NodeOf<'end'>, visit: Visit, names: Names): Outcome {
  const output = config.output === undefined ? visit.input : inline(resolveMapping(config.output, names));
  return config.terminate ? { type: 'finish', output } : { type: 'output', output, endsPath: true };
}
