import type { Cost } from '../../workflows/contract/run.js';
import type { Json } from '../../workflows/definition/values.js';
import { Fault, NodeFailure } from './failure.js';
import { misfit } from './schema.js';

/** Models that know nothing of schemas often put their JSON in a fenced block. */
const unfenced = (text: string): string => /^\s*```(?:json)?\s*\n([\s\S]*?)\n?\s*```\s*$/.exec(text)?.[1] ?? text;

/** The JSON that a model answered with, checked; `cost` is what an answer of another form cost all the same. */
export function structured(schema: Json, text: string, { field, cost }: StructuredAnswer): Json {
  const wrong = (problem: string): NodeFailure =>
    new NodeFailure(Fault.modelOutput, `The model's answer does not fit the schema: ${problem}.`, {
      retryable: true,
      cost,
    });
  let json: Json;
  try {
    // -- reason: JSON.parse gives nothing else
    json = JSON.parse(unfenced(text)) as Json;
  } catch {
    throw wrong('it is no JSON');
  }
  const problem = misfit(schema, json, { field });
  if (problem !== null) throw wrong(problem);
  return json;
}

export interface StructuredAnswer {
  /** Names the schema in errors. */
  readonly field: string;
  readonly cost: Cost;
}
