import type { Json } from '../../workflows/definition/values.js';

export interface LlmToolCall {
  readonly id: string;
  readonly name: string;
  readonly args: Json;
}

export type LlmMessage =
  | { readonly role: 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly toolCalls?: readonly LlmToolCall[] }
  | { readonly role: 'tool'; readonly callId: string; readonly name: string; readonly output: Json };

export interface LlmTool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of its arguments; any object without it. */
  readonly parameters: Json | null;
}

export interface LlmRequest {
  readonly system: string;
  readonly messages: readonly LlmMessage[];
  /** The platform's default model when absent. */
  readonly model?: string;
  readonly temperature?: number;
  readonly maxTokens?: number;
  /** The answer is to be JSON of this schema; endpoints may not keep to it, so whoever asks checks it. */
  readonly schema?: Json;
  readonly tools?: readonly LlmTool[];
  /** Takes the text piece by piece as it comes. */
  readonly onText?: (text: string) => void;
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
  /** What it wants called before it answers. */
  readonly toolCalls: readonly LlmToolCall[];
  /** The model that answered, as the endpoint names it. */
  readonly model: string;
  readonly provider: string;
  readonly usage: LlmUsage;
}

/** The one way to a language model: one request, one answer. Throws `NodeFailure`. */
export interface LlmPort {
  readonly complete: (request: LlmRequest) => Promise<LlmCompletion>;
}

export interface LlmSettings {
  /** Of an OpenAI-compatible endpoint, such as `https://models.example.com/v1`; without it answers are scripted. */
  readonly baseUrl?: string | undefined;
  readonly apiKey?: string | undefined;
  readonly model?: string | undefined;
}
