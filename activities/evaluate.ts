import { ApplicationFailure } from '@temporalio/activity';
import type { Database } from '../db/client.js';
import { cleanJson, loadValue, storeValues } from '../db/values.js';
import type {
  Evaluated,
  EvaluateInput,
  MatchConditionsInput,
  RunActivities,
  Scope,
  SegmentFailure,
} from '../workflows/contract/activities.js';
import { Failure, type NodeError } from '../workflows/contract/failures.js';
import type { RunRef } from '../workflows/contract/run.js';
import {
  conditionHolds,
  ExpressionError,
  namesOf,
  resolveMapping,
  type Names,
} from '../workflows/definition/expressions.js';
import { inline, type Json, type Value } from '../workflows/definition/values.js';

/** All that one answer may hold inline: beside it a payload holds little else. */
const ANSWER_LIMIT_BYTES = 512 * 1024;

/** Works out over whole values what the workflow itself cannot hold. */
export function createEvaluateActivities(db: Database): Pick<RunActivities, 'evaluate' | 'matchConditions'> {
  return {
    evaluate: (input) => evaluate(db, input),
    matchConditions: (input) => matchConditions(db, input),
  };
}

/** The names that expressions and templates read, every value whole. */
export async function loadNames(
  db: Database,
  run: RunRef,
  { input, scope }: { readonly input: Value; readonly scope: Scope },
): Promise<Names> {
  const { vars, steps, item, index, message } = scope;
  const parts = {
    input,
    runInput: scope.run.input ?? inline(null),
    item: item ?? inline(null),
    vars: { parts: vars },
    steps: { parts: steps },
  };
  // -- reason: what is made of parts is an object of just these
  const whole = (await loadValue(db, run.workspaceId, { parts })) as {
    readonly [K in keyof typeof parts]: K extends 'vars' | 'steps' ? Readonly<Record<string, Json>> : Json;
  };
  return namesOf({ ...whole, run: { id: scope.run.id, input: whole.runInput }, index, message });
}

async function evaluate(db: Database, input: EvaluateInput): Promise<Evaluated> {
  const { run, mappings, lists = [], inlineLimitBytes: limitBytes } = input;
  const names = await loadNames(db, run, input);
  const results = Object.entries(mappings).map(([name, mapping]) => {
    const json = cleanJson(expressed(name, () => resolveMapping(mapping, names)));
    const isList = lists.includes(name);
    return { name, isList, items: isList ? itemsOf(name, json) : [json] };
  });
  const jsons = results.flatMap(({ items }) => items);
  const stored = await storeValues(db, run, { jsons, limitBytes, totalBytes: ANSWER_LIMIT_BYTES });
  const values: Record<string, Value> = {};
  const listed: Record<string, readonly Value[]> = {};
  let from = 0;
  for (const { name, isList, items } of results) {
    const own = stored.slice(from, (from += items.length));
    if (isList) listed[name] = own;
    else values[name] = own[0] ?? inline(null);
  }
  return { values, lists: listed };
}

function itemsOf(name: string, json: Json): readonly Json[] {
  if (Array.isArray(json)) return json;
  throw expressionFailed(`${name}: the expression gives no list.`);
}

async function matchConditions(
  db: Database,
  { run, value, scope, conditions, isFirstEnough }: MatchConditionsInput,
): Promise<readonly boolean[]> {
  const names = await loadNames(db, run, { input: value, scope });
  const output = names['input'] ?? null;
  const matches: boolean[] = [];
  for (const condition of conditions) {
    const isAsked = !isFirstEnough || !matches.includes(true);
    matches.push(isAsked && expressed('condition', () => conditionHolds(condition, { output, names })));
  }
  return matches;
}

/** What an expression gives; a failure of the node, where it cannot be worked out. */
export function expressed<T>(field: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw expressionFailed(`${field}: ${error.message}`);
  }
}

const expressionFailed = (message: string): ApplicationFailure => nodeFailed({ type: 'expression_failed', message });

/** Ends the node's attempts: repeating cannot help. */
export function nodeFailed(error: NodeError): ApplicationFailure {
  const details: SegmentFailure = { outputs: [], error };
  return ApplicationFailure.nonRetryable(error.message, Failure.nodeFailed, details);
}
