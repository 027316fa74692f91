import { visitKey } from '../../workflows/contract/ids.js';
import type { Plan, PlanNode, Port } from '../../workflows/definition/plan.js';
import { inline, type Value } from '../../workflows/definition/values.js';
import { nodeOf } from '../../workflows/engine/graph.js';
import type { Visit } from '../../workflows/engine/state.js';
import { happening, moveBody, type Next, type Outcome } from './driver.js';

/** A number that depends on nothing but the text. */
export function hash(text: string): number {
  let word = 2_166_136_261;
  for (let index = 0; index < text.length; index += 1) {
    word = Math.imul(word ^ text.charCodeAt(index), 16_777_619);
  }
  return (word ^ (word >>> 13)) >>> 0;
}

/** What an output says for the condition of a node's edge to hold; number 0 goes back. */
export const wayOut = (nodeId: string, number: number): string => `<${nodeId}:${number}>`;

/** How often any node follows its edges back. */
const MOST_VISITS = 2;

/**
 * Answers for every node from a seed: the same visit always comes to the same result, whenever it is asked. An output
 * names the visit, what came to it, and which conditional edges hold, so that equal outputs prove equal paths.
 */
export function scripted(plan: Plan, seed: number, { mends }: { readonly mends: boolean }): Next {
  const draw = (visit: Visit, of: string, below: number): number => hash(`${seed} ${visitKey(visit)} ${of}`) % below;
  const bodies = {
    itemsOf: (visit: Visit) => Array.from({ length: draw(visit, 'items', 5) }, (_, index) => inline(`item ${index}`)),
    goesOn: (visit: Visit, round: number) => round < draw(visit, 'rounds', 3),
  };
  return (state, visit, past) => {
    const node = nodeOf(plan, visit.nodeId);
    const key = visitKey(visit);
    const parked = state.parked[key];
    const isMended = past.some((each) => each.type === 'unpark' && visitKey(each.visit) === key);
    if (parked !== undefined) {
      const isTriedAgain = !isMended && (mends || draw(visit, 'mended', 4) > 0);
      return isTriedAgain ? { type: 'unpark', visit } : { type: 'give_up', visit, error: parked };
    }
    const outcome =
      node.kind === 'map' || node.kind === 'loop'
        ? moveBody(state, visit, node.kind, bodies)
        : answer({ node, visit, isMended, draw: (of, below) => draw(visit, of, below) });
    return outcome === null ? null : happening(plan, visit, outcome);
  };
}

interface Question {
  readonly node: PlanNode;
  readonly visit: Visit;
  readonly isMended: boolean;
  readonly draw: (of: string, below: number) => number;
}

function answer({ node, visit, isMended, draw }: Question): Outcome {
  if (node.label === 'flaky' && draw('bad', 2) === 0 && !isMended) {
    return { type: 'error', error: { type: 'test', message: visitKey(visit) } };
  }
  const output = outputOf(visit, draw);
  if (node.kind === 'end') {
    return node.config.terminate ? { type: 'finish', output } : { type: 'output', output, endsPath: true };
  }
  if (node.kind === 'cancel') return { type: 'output', output, withdraws: node.config.nodes };
  const ports: readonly Port[] = node.kind === 'approval' ? ['approved', 'approved', 'rejected', 'expired'] : ['out'];
  return { type: 'output', output, port: ports[draw('port', ports.length)] ?? 'out' };
}

function outputOf(visit: Visit, draw: Question['draw']): Value {
  const goesBack = visit.visit <= MOST_VISITS && draw('back', 2) === 0;
  const ways = [...(goesBack ? [0] : []), ...[1, 2, 3].filter((number) => draw(`way ${number}`, 3) > 0)];
  const signs = ways.map((number) => wayOut(visit.nodeId, number)).join('');
  return inline(`${visitKey(visit)} of ${hash(JSON.stringify(visit.input))} ${signs}`);
}
