export interface LlmMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface LlmRequest {
  readonly system: string;
  readonly messages: readonly LlmMessage[];
  /** The platform's default model when absent. */
  readonly model?: string;
  readonly signal: AbortSignal;
  /** Sent as `Idempotency-Key`, for endpoints that honour one. */
  readonly idempotencyKey: string;
}

export interface LlmUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
}

export interface LlmCompletion {
  readonly text: string;
  /** The model that answered, as the endpoint names it. */
  readonly model: string;
  readonly provider: string;
  readonly usage: LlmUsage;
}

/** The one way to a language model. Throws `NodeFailure`. */
export interface LlmPort {
  readonly complete: (request: LlmRequest) => Promise<LlmCompletion>;
}

export interface LlmSettings {
  /** Of an OpenAI-compatible endpoint, such as `https://models.example.com/v1`; without it answers are scripted. */
  readonly baseUrl?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly model?: string | undefined;
}
