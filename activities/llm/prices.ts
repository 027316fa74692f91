import type { Cost } from '../../workflows/contract/run.js';
import type { LlmUsage } from './port.js';

/** US dollars for a million tokens; zero where none is configured. */
export interface Prices {
  readonly inputPerMtok: number;
  readonly outputPerMtok: number;
}

export const NO_PRICES: Prices = { inputPerMtok: 0, outputPerMtok: 0 };

export const costOf = ({ input_tokens, output_tokens }: LlmUsage, prices: Prices): Cost => ({
  usd: (input_tokens * prices.inputPerMtok + output_tokens * prices.outputPerMtok) / 1_000_000,
  input_tokens,
  output_tokens,
});
