import type { ApiConfig } from '../api/config.js';

export interface SampleInput {
  /** Where the API answers, without a slash at the end. */
  readonly apiUrl: string;
  readonly config: ApiConfig;
}

/** What a new platform shows of itself; nothing when it was made before. */
export function createSample(_input: SampleInput): Promise<void> {
  return Promise.resolve();
}
