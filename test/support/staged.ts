import { NamedAgentConfig } from '../../workflows/definition/agents/named-agent.js';
import { conditionHolds, mergeReads } from '../../workflows/definition/expressions.js';
import type { CompileContext } from '../../workflows/definition/graph-context.js';
import type { Plan, PlanEdge } from '../../workflows/definition/plan.js';
import { StagedDocument } from '../../workflows/definition/staged/document.js';
import { compileStaged } from '../../workflows/definition/staged/plan.js';
import { inline, jsonOf, type Json, type Value } from '../../workflows/definition/values.js';
import { edgesFrom, nodeOf } from '../../workflows/engine/graph.js';
import { begin, complete, giveUp, nextReady } from '../../workflows/engine/reduce.js';
import { settingOf, type Rehearsal } from '../../workflows/engine/rehearsal.js';
import { rehearsalNames } from '../../workflows/engine/rehearse-names.js';
import { computed } from '../../workflows/engine/rehearse-nodes.js';
import type { RunEnd, Visit } from '../../workflows/engine/state.js';
import { start } from '../../workflows/engine/tokens.js';

/** Staged workflows as tests write and play them. */

export const stagedAgent = (name: string, config: object = {}) => ({
  name,
  displayName: name,
  description: '',
  isActive: true,
  config: NamedAgentConfig.parse({ prompt: { system: `You are ${name}.` }, ...config }),
});

export const stagedContext = (agents: readonly ReturnType<typeof stagedAgent>[]): CompileContext => ({
  id: null,
  tools: new Set(),
  definitions: new Map(),
  agents: new Map(agents.map((each) => [each.name, each])),
  actionTools: new Map(),
  urlProblem: () => null,
});

export const fewAgents = stagedContext(['ana', 'ben', 'cleo'].map((name) => stagedAgent(name)));

export function stagedPlan(document: object, context: CompileContext = fewAgents): Plan {
  const { plan, problems } = compileStaged(StagedDocument.parse(document), context);
  if (plan === null) throw new Error(problems.map(({ message }) => message).join(' '));
  return plan;
}

/** What a step's agent answers; throws to fail. */
export type Answer = (step: string, input: Json) => Json;

export interface PlayedStaged {
  readonly end: RunEnd;
  /** Steps in the order in which they ended. */
  readonly ran: readonly string[];
}

/** Plays a plan whose only work is that of agents; `pick` says which of the things that can happen does. */
export function playStaged(
  plan: Plan,
  input: Json,
  { answer, pick }: { readonly answer: Answer; readonly pick: (choices: number) => number },
): PlayedStaged {
  const rehearsal: Rehearsal = {
    plan,
    recording: { runId: 'run_1', input: inline(input), isConversation: false, status: 'completed', plan, steps: [] },
    ...{ steps: new Map(), order: new Map(), visited: new Set(), from: new Map() },
    state: begin(plan, inline(input)),
    message: null,
    isHeard: false,
  };
  const ran: string[] = [];
  for (let turn = 0; rehearsal.state.end === null; turn += 1) {
    if (turn > 2_000) throw new Error('the run does not end');
    const due = nextReady(plan, rehearsal.state);
    if (due !== undefined) rehearsal.state = start(rehearsal.state, due);
    else moveOne(rehearsal, { answer, pick, ran });
  }
  return { end: rehearsal.state.end, ran };
}

interface Moving {
  readonly answer: Answer;
  readonly pick: (choices: number) => number;
  readonly ran: string[];
}

function moveOne(rehearsal: Rehearsal, { answer, pick, ran }: Moving): void {
  const choices = [...Object.values(rehearsal.state.open)];
  while (choices.length > 0) {
    const [visit] = choices.splice(pick(choices.length), 1);
    if (visit !== undefined && moveVisit(rehearsal, visit, { answer, ran })) return;
  }
  throw new Error('the run stands still');
}

function moveVisit(rehearsal: Rehearsal, visit: Visit, { answer, ran }: Omit<Moving, 'pick'>): boolean {
  const { plan, state } = rehearsal;
  const node = nodeOf(plan, visit.nodeId);
  try {
    if (node.kind === 'agent_turn') {
      const output = answer(node.id, jsonOf(visit.input) ?? null);
      ran.push(node.id);
      leave(rehearsal, visit, { output: inline(output) });
      return true;
    }
    const outcome = computed(rehearsal, visit, node);
    if (outcome === null || 'error' in outcome) return false;
    if ('state' in outcome) rehearsal.state = outcome.state;
    else leave(rehearsal, visit, outcome);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    rehearsal.state = giveUp(plan, state, { visit, error: { type: 'test', message } });
    return true;
  }
}

interface Left {
  readonly output: Value;
  readonly endsPath?: boolean;
}

function leave(rehearsal: Rehearsal, visit: Visit, { output, endsPath = false }: Left): void {
  const { plan, state } = rehearsal;
  const edges = endsPath ? [] : chosen(rehearsal, visit, output);
  rehearsal.state = complete(plan, state, { visit, output, port: 'out', edges });
}

function chosen(rehearsal: Rehearsal, visit: Visit, output: Value): readonly PlanEdge[] {
  const { plan } = rehearsal;
  const candidates = edgesFrom(plan, visit.nodeId, 'out');
  const reads = mergeReads(...candidates.map(({ condition }) => ('reads' in condition ? (condition.reads ?? {}) : {})));
  const names = rehearsalNames(settingOf(rehearsal), visit, { reads, input: output });
  const all = candidates.filter(({ condition }) =>
    conditionHolds(condition, { output: jsonOf(output) ?? null, names }),
  );
  return nodeOf(plan, visit.nodeId).exits === 'all' ? all : all.slice(0, 1);
}
