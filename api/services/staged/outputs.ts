import type { Json } from '../../../workflows/definition/values.js';

/** An output as a text where it is one, and as itself where it is not. */
export interface ShownOutput {
  readonly response_text: string | null;
  readonly structured_output: Json;
}

export const shownOutput = (output: Json): ShownOutput =>
  typeof output === 'string'
    ? { response_text: output, structured_output: null }
    : { response_text: output === null ? null : JSON.stringify(output), structured_output: output };
