import { proxyActivities } from '@temporalio/workflow';
import type { Evaluated, RunActivities, Scope } from '../contract/activities.js';
import type { NodeError } from '../contract/failures.js';
import { inScope } from '../contract/ids.js';
import { records } from '../contract/timeouts.js';
import {
  EVERY_STEP,
  ExpressionError,
  namedSteps,
  namesOf,
  resolveMapping,
  type Names,
} from '../definition/expressions.js';
import type { Reads } from '../definition/plan.js';
import { inline, INLINE_LIMIT_BYTES, jsonOf, textOf, type Json, type Value } from '../definition/values.js';
import type { Visit } from '../engine/state.js';
import type { RunSession } from './session.js';
import { bytesOf, sizeOf } from './size.js';

const { evaluate } = proxyActivities<RunActivities>(records);

/** A node cannot go on, for a reason its author can mend. */
export class NodeProblem extends Error {
  readonly error: NodeError;
  constructor(error: NodeError) {
    super(error.message);
    this.error = error;
  }
}

/** The values that the expressions of a visit's node may read, and no others. */
export function scopeOf(session: RunSession, visit: Visit, reads: Reads = {}): Scope {
  const { state, input } = session;
  const frame = state.frames[visit.scope];
  const ids = readIds(session, reads);
  const outputs = Object.fromEntries(ids.map((id) => [id, outputSeenFrom(session, visit.scope, id)]));
  return {
    run: { id: input.run.runId, input: reads.run === true ? input.input : null },
    vars: reads.vars === true ? state.vars : {},
    steps: namedSteps(outputs, { ...reads, steps: ids }),
    item: reads.item === true ? (frame?.item ?? null) : null,
    index: frame?.index ?? null,
    message: reads.message === true ? session.talk.message : null,
  };
}

const readIds = ({ plan }: RunSession, { steps = [] }: Reads): readonly string[] =>
  steps.includes(EVERY_STEP) ? Object.keys(plan.nodes) : steps;

/** The last output of a node: in the visit's own frame, else in the nearest one around it. */
function outputSeenFrom({ state }: RunSession, scope: string, nodeId: string): Value {
  for (let at = scope; ; at = state.frames[at]?.scope ?? '') {
    const output = state.outputs[inScope(at, nodeId)];
    if (output !== undefined) return output;
    if (at === '') return inline(null);
  }
}

/** The names themselves; null when some value is stored elsewhere. */
export function namesIn(scope: Scope, input: Value): Names | null {
  const whole = (values: Readonly<Record<string, Value>>): Record<string, Json> | null => {
    const json = jsonOf({ parts: values });
    // -- reason: what has parts is an object
    return json === undefined ? null : (json as Record<string, Json>);
  };
  const [json, vars, steps] = [jsonOf(input), whole(scope.vars), whole(scope.steps)];
  const [runInput, item] = [jsonOf(scope.run.input ?? inline(null)), jsonOf(scope.item ?? inline(null))];
  if (json === undefined || vars === null || steps === null || runInput === undefined || item === undefined)
    return null;
  const { index, message } = scope;
  return namesOf({ input: json, run: { id: scope.run.id, input: runInput }, vars, steps, item, index, message });
}

export interface Question {
  readonly mappings: Readonly<Record<string, Json>>;
  /** Names of mappings whose value is a list to be answered item by item. */
  readonly lists?: readonly string[];
  /** Instead of the visit's own. */
  readonly input?: Value;
  readonly index?: number;
  /** Larger results are stored; the session's own limit without it. */
  readonly limit?: number;
}

/** Works mappings out: here while everything is small, otherwise in an activity. Throws `NodeProblem`. */
export async function evaluateFor(session: RunSession, visit: Visit, question: Question): Promise<Evaluated> {
  const own = scopeOf(session, visit, session.node(visit).reads);
  const scope = question.index === undefined ? own : { ...own, index: question.index };
  const input = question.input ?? visit.input;
  const names = namesIn(scope, input);
  const { limit = session.inlineLimit() } = question;
  const here = names === null ? null : evaluateHere(names, question, limit);
  if (here !== null) return here;
  const { mappings, lists = [] } = question;
  return evaluate({ run: session.input.run, input, scope, mappings, lists, inlineLimitBytes: limit });
}

/** Null when a result is too large to stay. */
function evaluateHere(names: Names, { mappings, lists = [] }: Question, limit: number): Evaluated | null {
  try {
    const results = Object.entries(mappings).map(([name, mapping]) => [name, resolveMapping(mapping, names)] as const);
    if (results.some(([, json]) => bytesOf(JSON.stringify(json)) > limit)) return null;
    return {
      values: Object.fromEntries(results.map(([name, json]) => [name, inline(json)])),
      lists: Object.fromEntries(
        results.flatMap(([name, json]) => (lists.includes(name) ? [[name, listOf(json)]] : [])),
      ),
    };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new NodeProblem({ type: 'expression_failed', message: error.message });
  }
}

function listOf(json: Json): readonly Value[] {
  if (Array.isArray(json)) return json.map((each: Json) => inline(each));
  throw new NodeProblem({ type: 'expression_failed', message: 'items: the expression gives no list.' });
}

/** One mapping's value. */
export async function valueFor(session: RunSession, visit: Visit, mapping: Json): Promise<Value> {
  const { values } = await evaluateFor(session, visit, { mappings: { value: mapping } });
  return values['value'] ?? inline(null);
}

/** One mapping's value as text that can be stored; what is no text is shown as JSON. */
export async function textFor(session: RunSession, visit: Visit, mapping: Json): Promise<string> {
  const question = { mappings: { value: mapping }, limit: INLINE_LIMIT_BYTES };
  const { values } = await evaluateFor(session, visit, question);
  const json = jsonOf(values['value'] ?? inline(null));
  if (json === undefined) {
    const message = `The text of this step is longer than ${INLINE_LIMIT_BYTES / 1024} KiB; shorten its template.`;
    throw new NodeProblem({ type: 'text_too_large', message });
  }
  const text = typeof json === 'string' ? json : json === null ? '' : JSON.stringify(json);
  return text.toWellFormed().replaceAll('\u0000', '\uFFFD');
}

const nothing: Omit<Scope, 'run'> = { vars: {}, steps: {}, item: null, index: null, message: null };

/** The same value, stored as one where it is too large to stay: what many parts made travels on as one. */
export async function compacted(session: RunSession, output: Value): Promise<Value> {
  const limit = session.inlineLimit();
  if (sizeOf(output) <= limit) return output;
  const { run } = session.input;
  const scope: Scope = { ...nothing, run: { id: run.runId, input: null } };
  const asked = { run, input: output, scope, mappings: { value: { $expr: 'input' } } };
  const { values } = await evaluate({ ...asked, inlineLimitBytes: limit });
  return values['value'] ?? output;
}
